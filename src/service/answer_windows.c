#include "service/answer_windows.h"

/* A window that begins with piece `first`: as many as fit, but at least one. */
struct extent {
    size_t end, bytes;
};

static struct extent extent_from(const struct attention_response *r, size_t first,
                                 size_t most)
{
    size_t count = attention_response_pieces(r);
    struct extent e = {first + 1, attention_response_bound(r, first)};
    while (e.end < count && e.bytes <= most &&
           attention_response_bound(r, e.end) <= most - e.bytes)
        e.bytes += attention_response_bound(r, e.end++);
    return e;
}

/* Room for the largest window, whichever that is. */
static bool make_room(struct answer_windows *w, unsigned which, struct arena *arena,
                      struct error *e)
{
    size_t count = attention_response_pieces(w->response), bytes = 0, pieces = 0;
    for (size_t first = 0; first < count;) {
        struct extent x = extent_from(w->response, first, w->most);
        bytes = x.bytes > bytes ? x.bytes : bytes;
        pieces = x.end - first > pieces ? x.end - first : pieces;
        first = x.end;
    }
    w->room[which].bytes = arena_alloc(arena, bytes, 1, e);
    w->room[which].pieces = w->room[which].bytes
                                ? arena_alloc(arena, pieces, sizeof(struct iovec), e)
                                : NULL;
    return w->room[which].pieces != NULL;
}

bool answer_windows_plan(struct answer_windows *w,
                         const struct attention_response *response, struct arena *arena,
                         struct error *e)
{
    bool whole = attention_response_most(response) <= WHOLE_ANSWER;
    *w = (struct answer_windows){.response = response,
                                 .most = whole ? WHOLE_ANSWER : ANSWER_WINDOW};
    if (!make_room(w, 0, arena, e))
        return false;
    w->room[1] = w->room[0];
    return whole || make_room(w, 1, arena, e);
}

void answer_windows_next(struct answer_windows *w)
{
    w->first = w->end;
    w->end = extent_from(w->response, w->first, w->most).end;
    w->turn = !w->turn;
    w->pieces = w->room[w->turn].pieces;
    char *at = w->room[w->turn].bytes;
    for (size_t i = w->first; i < w->end; i++) {
        size_t bound = attention_response_bound(w->response, i);
        w->pieces[i - w->first] = (struct iovec){.iov_base = at, .iov_len = bound};
        at += bound;
    }
}

bool answer_windows_at_end(const struct answer_windows *w)
{
    return w->end == attention_response_pieces(w->response);
}
