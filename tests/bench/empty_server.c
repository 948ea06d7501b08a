/* empty_server - the least that libmicrohttpd can do: reads a request, its body too,
 * and answers 5 bytes. What a request to attentiond is measured against.
 *
 *   empty_server PORT THREADS      until its standard input ends */
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>

static enum MHD_Result answer(void *response, struct MHD_Connection *connection,
                              const char *url, const char *method, const char *version,
                              const char *data, size_t *size, void **seen)
{
    (void)url, (void)method, (void)version, (void)data;
    if (!*seen || *size) { /* the header, or more of the body */
        *seen = response;
        *size = 0;
        return MHD_YES;
    }
    return MHD_queue_response(connection, MHD_HTTP_OK, response);
}

int main(int argc, char **argv)
{
    if (argc != 3)
        return EXIT_FAILURE;

    static char body[] = "hello";
    struct MHD_Response *response =
        MHD_create_response_from_buffer(5, body, MHD_RESPMEM_PERSISTENT);
    struct MHD_Daemon *daemon = MHD_start_daemon(
        MHD_USE_EPOLL_INTERNAL_THREAD, (uint16_t)atoi(argv[1]), NULL, NULL, answer,
        response, MHD_OPTION_THREAD_POOL_SIZE, (unsigned)atoi(argv[2]), MHD_OPTION_END);
    if (!daemon)
        return EXIT_FAILURE;

    while (getchar() != EOF) {
    }
    MHD_stop_daemon(daemon);
    MHD_destroy_response(response);
    return EXIT_SUCCESS;
}
