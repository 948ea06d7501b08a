#include "http/accept.h"

#include <string.h>
#include <strings.h>

struct span {
    const char *at;
    size_t length;
};

enum { NO_MATCH, ANY_TYPE, ANY_SUBTYPE, EXACT };

static struct span trimmed(const char *from, const char *to)
{
    while (from < to && (*from == ' ' || *from == '\t'))
        from++;
    while (to > from && (to[-1] == ' ' || to[-1] == '\t'))
        to--;
    return (struct span){from, (size_t)(to - from)};
}

static bool span_is(struct span s, const char *text)
{
    return s.length == strlen(text) && strncasecmp(s.at, text, s.length) == 0;
}

/* What stands before the next `end` that is not inside quotes, or before `stop`; moves
 * *p behind it. Nothing from `stop` on is looked at: the time is that of the part. */
static struct span next_part(const char **p, const char *stop, char end)
{
    const char *from = *p;
    bool quoted = false;
    const char *q = from;
    for (; q < stop && (quoted || *q != end); q++) {
        if (*q == '"')
            quoted = !quoted;
        else if (quoted && *q == '\\' && q + 1 < stop)
            q++;
    }
    *p = q < stop ? q + 1 : q;
    return trimmed(from, q);
}

/* How closely a range such as "text/\*" names `offer`. */
static int closeness(struct span range, const char *offer)
{
    if (span_is(range, offer))
        return EXACT;
    if (span_is(range, "*/*"))
        return ANY_TYPE;
    size_t type = strcspn(offer, "/") + 1; /* with its slash */
    bool any_subtype = range.length == type + 1 && range.at[type] == '*' &&
                       strncasecmp(range.at, offer, type) == 0;
    return any_subtype ? ANY_SUBTYPE : NO_MATCH;
}

/* "0.75" as 750; -1 when it is not a qvalue. */
static int quality_of(struct span s)
{
    if (s.length == 0 || s.length > 5 || (s.at[0] != '0' && s.at[0] != '1') ||
        (s.length > 1 && s.at[1] != '.'))
        return -1;
    int value = (s.at[0] - '0') * 1000;
    int unit = 100;
    for (size_t i = 2; i < s.length; i++, unit /= 10) {
        if (s.at[i] < '0' || s.at[i] > '9')
            return -1;
        value += (s.at[i] - '0') * unit;
    }
    return value <= 1000 ? value : -1;
}

/* The q of one element "type/subtype;a=b;q=0.5"; 1000 without one. */
static int element_quality(const char *parameters, const char *end)
{
    int quality = 1000;
    for (const char *p = parameters; p < end;) {
        struct span part = next_part(&p, end, ';');
        if (part.length >= 2 && strncasecmp(part.at, "q=", 2) == 0)
            quality = quality_of((struct span){part.at + 2, part.length - 2});
    }
    return quality;
}

struct score {
    int closeness, quality;
};

/* Returns whether the value held anything but blanks and commas. */
static bool read_value(const char *value, const char *const *offers, size_t count,
                       struct score *scores)
{
    bool any = false;
    const char *stop = value + strlen(value);
    for (const char *p = value; p < stop;) {
        struct span element = next_part(&p, stop, ',');
        if (element.length == 0)
            continue;
        any = true;
        const char *end = element.at + element.length;
        const char *semicolon = memchr(element.at, ';', element.length);
        struct span range = trimmed(element.at, semicolon ? semicolon : end);
        int quality = semicolon ? element_quality(semicolon + 1, end) : 1000;

        for (size_t i = 0; i < count && quality >= 0; i++) {
            int close = closeness(range, offers[i]);
            if (close > scores[i].closeness)
                scores[i] = (struct score){close, quality};
        }
    }
    return any;
}

size_t accept_choose(const char *const *accepts, size_t accept_count,
                     const char *const *offers, size_t offer_count)
{
    enum { MOST_OFFERS = 4 };
    struct score scores[MOST_OFFERS] = {{NO_MATCH, 0}};
    if (offer_count > MOST_OFFERS)
        offer_count = MOST_OFFERS;

    bool any = false;
    for (size_t i = 0; i < accept_count; i++)
        any |= read_value(accepts[i], offers, offer_count, scores);
    if (!any)
        return 0;

    size_t best = offer_count;
    for (size_t i = 0; i < offer_count; i++)
        if (scores[i].quality > (best < offer_count ? scores[best].quality : 0))
            best = i;
    return best;
}

bool content_type_is_json(const char *content_type)
{
    const char *p = content_type, *stop = p + strlen(p);
    if (!span_is(next_part(&p, stop, ';'), "application/json"))
        return false;
    while (p < stop) {
        struct span parameter = next_part(&p, stop, ';');
        bool charset =
            parameter.length >= 8 && strncasecmp(parameter.at, "charset=", 8) == 0;
        struct span value = {parameter.at + 8, charset ? parameter.length - 8 : 0};
        if (charset && !span_is(value, "utf-8") && !span_is(value, "\"utf-8\""))
            return false;
    }
    return true;
}
