#include "http/last_words.h"

#include <stdio.h>
#include <sys/socket.h>

#include "codec/problem.h"
#include "http/reply.h"

size_t last_words_write(const struct error *error, unsigned retry_after_s,
                        const char *id, struct buffer *words)
{
    unsigned status = reply_status(error->code);
    char retry_after[32] = "";
    if (status == 503)
        snprintf(retry_after, sizeof retry_after, "Retry-After: %u\r\n", retry_after_s);
    struct buffer body;
    buffer_init(&body, 4096);
    buffer_init(words, 8192);
    problem_write(error, status, id, &body);
    buffer_printf(words,
                  "HTTP/1.1 %u %s\r\nConnection: close\r\n%s"
                  "Content-Type: application/problem+json\r\nX-Request-Id: %s\r\n"
                  "Cache-Control: no-store\r\nContent-Length: %zu\r\n\r\n",
                  status, MHD_get_reason_phrase_for(status), retry_after, id,
                  body.length);
    buffer_append(words, body.data, body.length);
    words->failed |= body.failed;
    size_t length = body.length;
    buffer_free(&body);
    return length;
}

size_t last_words_send(int fd, const struct error *error, unsigned retry_after_s,
                       const char *id)
{
    struct buffer words;
    size_t length = last_words_write(error, retry_after_s, id, &words);
    if (!words.failed)
        send(fd, words.data, words.length, MSG_DONTWAIT | MSG_NOSIGNAL);
    buffer_free(&words);
    return length;
}
