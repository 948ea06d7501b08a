#include "service/keys.h"

#include <sched.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/size.h"
#include "service/text_file.h"

enum { FILE_MOST_BYTES = 256 * 1024, CACHE_LINE = 64 };

/* Outlives the tables: a request that was counted here is taken off here. Freed when
 * no line has its name any more and nothing is counted. */
struct key_slot {
    alignas(CACHE_LINE) _Atomic size_t in_flight;
    struct key_slot *next;
    char name[KEY_NAME_BYTES];
    bool listed; /* the table in use has it */
};

struct entry {
    uint8_t digest[KEY_DIGEST_BYTES];
    unsigned roles;
    size_t limit;
    struct key_slot *slot;
};

/* Never changes once it is published. */
struct table {
    size_t count;
    struct entry entries[];
};

struct readers {
    alignas(CACHE_LINE) _Atomic size_t count;
};

/* A thread that looks at the table counts itself in one of two counts meanwhile, that
 * of the present epoch. Who has replaced the table waits until each was seen at zero:
 * then nobody is left who could have loaded the old one. New readers go to the count
 * that is not waited for, so the wait ends however many come. */
struct keys {
    const char *path;
    size_t limit;
    key_compare *compare;
    bool exposed;           /* everybody may read the file */
    struct key_slot *slots; /* all; the reloading thread's, as is `exposed` */
    _Atomic(struct table *) table;
    _Atomic unsigned epoch;
    struct readers readers[2];
};

static struct key_slot *slot_named(const struct keys *k, const char *name)
{
    struct key_slot *slot = k->slots;
    while (slot && strcmp(slot->name, name) != 0)
        slot = slot->next;
    return slot;
}

static struct key_slot *slot_for(struct keys *k, const char *name)
{
    struct key_slot *slot = slot_named(k, name);
    if (slot)
        return slot;
    slot = aligned_alloc(CACHE_LINE, sizeof *slot);
    if (!slot)
        return NULL;
    memset(slot, 0, sizeof *slot);
    memcpy(slot->name, name, KEY_NAME_BYTES);
    slot->next = k->slots;
    k->slots = slot;
    return slot;
}

/* Frees the slots that nobody can count in any more. */
static void sweep_slots(struct keys *k, const struct table *table)
{
    for (struct key_slot *slot = k->slots; slot; slot = slot->next)
        slot->listed = false;
    for (size_t i = 0; table && i < table->count; i++)
        table->entries[i].slot->listed = true;
    for (struct key_slot **at = &k->slots; *at;) {
        struct key_slot *slot = *at;
        if (slot->listed || atomic_load(&slot->in_flight) > 0) {
            at = &slot->next;
        } else {
            *at = slot->next;
            free(slot);
        }
    }
}

static struct table *table_of(struct keys *k, const struct key_list *list)
{
    struct table *table = calloc(1, sizeof *table + list->count * sizeof(struct entry));
    if (!table)
        return NULL;
    for (; table->count < list->count; table->count++) {
        const struct key_line *line = &list->lines[table->count];
        struct entry *entry = &table->entries[table->count];
        memcpy(entry->digest, line->digest, KEY_DIGEST_BYTES);
        entry->roles = line->roles;
        entry->limit = line->has_limit ? line->limit : k->limit;
        entry->slot = slot_for(k, line->name);
        if (!entry->slot) {
            free(table);
            return NULL;
        }
    }
    return table;
}

static struct table *table_from(struct keys *k, const char *text, struct error *e)
{
    struct arena arena;
    struct key_list list;
    struct error why = {0};
    struct table *table = NULL;
    arena_init(&arena, KEYS_MOST * sizeof(struct key_line), NULL);
    if (!key_list_read(text, &arena, &list, &why))
        error_set(e, why.code, "keys_file", "%s: %s", k->path, why.message);
    else if (!(table = table_of(k, &list)))
        error_set(e, ERROR_OUT_OF_MEMORY, "keys_file", "%s: no memory", k->path);
    arena_free(&arena);
    return table;
}

static struct table *read_table(struct keys *k, struct error *e)
{
    size_t length;
    mode_t mode;
    char *text =
        text_file_read(k->path, "keys_file", FILE_MOST_BYTES, &length, &mode, e);
    if (!text)
        return NULL;
    struct table *table = NULL;
    if (mode & S_IWOTH)
        error_set(e, ERROR_INVALID_INPUT, "keys_file",
                  "%s: everybody may write to it: chmod o-w", k->path);
    else
        table = table_from(k, text, e);
    if (table)
        k->exposed = mode & S_IROTH;
    free(text);
    return table;
}

static void wait_for_readers(struct keys *k)
{
    for (int turn = 0; turn < 2; turn++) {
        unsigned before = atomic_fetch_add(&k->epoch, 1) % 2;
        while (atomic_load(&k->readers[before].count) > 0)
            sched_yield();
    }
}

bool keys_reload(struct keys *k, struct error *e)
{
    struct error why = {0};
    struct table *fresh = read_table(k, &why);
    struct table *table = atomic_load(&k->table);
    if (fresh) {
        struct table *old = atomic_exchange(&k->table, fresh);
        wait_for_readers(k);
        free(old);
        table = fresh;
    }
    sweep_slots(k, table);
    return fresh || error_set(e, why.code, "keys_file", "keys_file: %s", why.message);
}

struct keys *keys_new(const char *path, size_t limit, key_compare *compare,
                      struct error *e)
{
    size_t room = size_divided_up(sizeof(struct keys), CACHE_LINE) * CACHE_LINE;
    struct keys *k = aligned_alloc(CACHE_LINE, room);
    if (!k) {
        error_set(e, ERROR_OUT_OF_MEMORY, "keys_file", "no memory for the keys");
        return NULL;
    }
    memset(k, 0, room);
    k->path = path;
    k->limit = limit;
    k->compare = compare;
    if (keys_reload(k, e))
        return k;
    keys_delete(k);
    return NULL;
}

void keys_delete(struct keys *k)
{
    if (!k)
        return;
    sweep_slots(k, NULL);
    free(atomic_load(&k->table));
    free(k);
}

bool keys_exposed(const struct keys *k)
{
    return k->exposed;
}

size_t keys_count(const struct keys *k)
{
    return atomic_load(&k->table)->count;
}

/* NULL when there is none. Looks at every entry. */
static const struct entry *find(const struct keys *k, const struct table *table,
                                const uint8_t digest[KEY_DIGEST_BYTES])
{
    const struct entry *found = NULL;
    for (size_t i = 0; i < table->count; i++)
        if (k->compare(table->entries[i].digest, digest, KEY_DIGEST_BYTES) == 0)
            found = &table->entries[i];
    return found;
}

/* Never above the limit, not even for a moment, in which another would be refused. */
static bool count_in(struct key_slot *slot, size_t limit)
{
    size_t now = atomic_load_explicit(&slot->in_flight, memory_order_relaxed);
    do {
        if (limit && now >= limit)
            return false;
    } while (!atomic_compare_exchange_weak(&slot->in_flight, &now, now + 1));
    return true;
}

static enum key_verdict judge(const struct entry *entry, unsigned roles,
                              struct key_use *use)
{
    if (!entry)
        return KEY_UNKNOWN;
    memcpy(use->name, entry->slot->name, KEY_NAME_BYTES);
    use->limit = entry->limit;
    if (!(entry->roles & roles))
        return KEY_FORBIDDEN;
    if (!count_in(entry->slot, entry->limit))
        return KEY_BUSY;
    use->slot = entry->slot;
    return KEY_TAKEN;
}

enum key_verdict keys_take(struct keys *k, const uint8_t digest[KEY_DIGEST_BYTES],
                           unsigned roles, struct key_use *use)
{
    _Atomic size_t *readers = &k->readers[atomic_load(&k->epoch) % 2].count;
    atomic_fetch_add(readers, 1);
    enum key_verdict verdict =
        judge(find(k, atomic_load(&k->table), digest), roles, use);
    atomic_fetch_sub(readers, 1);
    return verdict;
}

void keys_give_back(struct key_use *use)
{
    if (use->slot)
        atomic_fetch_sub(&use->slot->in_flight, 1);
    use->slot = NULL;
}
