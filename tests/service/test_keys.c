#include "service/keys.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "support/scarce.h"
#include "support/test.h"

#define ZEROS "0000000000000000000000000000000000000000000000000000000000000"
#define D(n)  ZEROS #n /* of digest n, three digits */

static char path[64];

static void write_keys(const char *text)
{
    snprintf(path, sizeof path, "/tmp/attentiond-keys-%d", (int)getpid());
    FILE *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_ge(fputs(text, file), 0);
    ck_assert_int_eq(fclose(file), 0);
    ck_assert_int_eq(chmod(path, 0640), 0);
}

static struct keys *open_keys(const char *text, size_t limit)
{
    struct error e = {0};
    write_keys(text);
    struct keys *k = keys_new(path, limit, memcmp, &e);
    ck_assert_msg(k != NULL, "%s", e.message);
    return k;
}

static void reload(struct keys *k, const char *text)
{
    struct error e = {0};
    write_keys(text);
    ck_assert_msg(keys_reload(k, &e), "%s", e.message);
}

/* With the digest that D(n) writes. */
static enum key_verdict take(struct keys *k, unsigned n, unsigned roles,
                             struct key_use *use)
{
    uint8_t digest[KEY_DIGEST_BYTES] = {0};
    digest[30] = (uint8_t)(n / 100);
    digest[31] = (uint8_t)(n / 10 % 10 * 16 + n % 10);
    *use = (struct key_use){0};
    return keys_take(k, digest, roles, use);
}

START_TEST(a_key_may_do_what_its_roles_say)
{
    struct keys *k = open_keys("a infer " D(001) "\n"
                                                 "m metrics,admin " D(002) "\n",
                               0);
    struct key_use use;
    ck_assert_uint_eq(keys_count(k), 2);
    ck_assert_int_eq(take(k, 1, ROLE_INFER, &use), KEY_TAKEN);
    ck_assert_str_eq(use.name, "a");
    ck_assert_uint_eq(use.limit, 0);
    keys_give_back(&use);
    ck_assert_int_eq(take(k, 1, ROLE_METRICS | ROLE_ADMIN, &use), KEY_FORBIDDEN);
    ck_assert_str_eq(use.name, "a");
    ck_assert_ptr_null(use.slot);
    ck_assert_int_eq(take(k, 2, ROLE_METRICS | ROLE_INFER, &use), KEY_TAKEN);
    ck_assert_str_eq(use.name, "m");
    keys_give_back(&use);
    ck_assert_int_eq(take(k, 3, ROLE_INFER, &use), KEY_UNKNOWN);
    ck_assert_str_eq(use.name, "");
    keys_give_back(&use); /* of nothing */
    keys_delete(k);
}
END_TEST

static size_t compared;

static int counting_compare(const void *one, const void *other, size_t size)
{
    compared += size;
    return memcmp(one, other, size);
}

/* threat 111 */
START_TEST(every_digest_is_compared_whichever_matches)
{
    struct error e = {0};
    struct key_use use;
    write_keys("a infer " D(001) "\nb infer " D(002) "\nc infer " D(003) "\n");
    struct keys *k = keys_new(path, 0, counting_compare, &e);
    ck_assert_ptr_nonnull(k);
    for (unsigned n = 0; n < 5; n++) {
        compared = 0;
        bool known = take(k, n, ROLE_INFER, &use) == KEY_TAKEN;
        ck_assert(known == (n >= 1 && n <= 3));
        ck_assert_uint_eq(compared, 3 * KEY_DIGEST_BYTES);
        keys_give_back(&use);
    }
    keys_delete(k);
}
END_TEST

/* threat 90 */
START_TEST(one_key_has_so_many_at_once_and_leaves_the_others_theirs)
{
    struct keys *k =
        open_keys("a infer " D(001) " 2\n"
                                    "b infer " D(002) "\n"
                                                      "c infer " D(003) " 0\n",
                  1);
    struct key_use uses[2], other, busy;
    ck_assert_int_eq(take(k, 1, ROLE_INFER, &uses[0]), KEY_TAKEN);
    ck_assert_int_eq(take(k, 1, ROLE_INFER, &uses[1]), KEY_TAKEN);
    ck_assert_int_eq(take(k, 1, ROLE_INFER, &busy), KEY_BUSY);
    ck_assert_uint_eq(busy.limit, 2);
    ck_assert_str_eq(busy.name, "a");
    keys_give_back(&busy);
    ck_assert_int_eq(take(k, 1, ROLE_INFER, &busy), KEY_BUSY);

    ck_assert_int_eq(take(k, 2, ROLE_INFER, &other), KEY_TAKEN);
    ck_assert_int_eq(take(k, 2, ROLE_INFER, &busy), KEY_BUSY);
    ck_assert_uint_eq(busy.limit, 1);
    keys_give_back(&other);
    struct key_use unlimited[10];
    for (size_t i = 0; i < 10; i++)
        ck_assert_int_eq(take(k, 3, ROLE_INFER, &unlimited[i]), KEY_TAKEN);
    for (size_t i = 0; i < 10; i++)
        keys_give_back(&unlimited[i]);

    keys_give_back(&uses[0]);
    ck_assert_ptr_null(uses[0].slot);
    keys_give_back(&uses[0]); /* once is enough */
    ck_assert_int_eq(take(k, 1, ROLE_INFER, &uses[0]), KEY_TAKEN);
    ck_assert_int_eq(take(k, 1, ROLE_INFER, &busy), KEY_BUSY);
    keys_give_back(&uses[0]);
    keys_give_back(&uses[1]);
    keys_delete(k);
    unlink(path);
}
END_TEST

START_TEST(what_survives_a_reload_stays_counted)
{
    struct keys *k = open_keys("a infer " D(001) " 1\nb infer " D(002) " 1\n", 0);
    struct key_use a, b, use;
    ck_assert_int_eq(take(k, 1, ROLE_INFER, &a), KEY_TAKEN);
    ck_assert_int_eq(take(k, 2, ROLE_INFER, &b), KEY_TAKEN);

    reload(k, "c infer " D(003) "\na infer " D(004) " 1\n");
    ck_assert_uint_eq(keys_count(k), 2);
    ck_assert_int_eq(take(k, 1, ROLE_INFER, &use), KEY_UNKNOWN); /* another digest */
    ck_assert_int_eq(take(k, 2, ROLE_INFER, &use), KEY_UNKNOWN);
    ck_assert_int_eq(take(k, 3, ROLE_INFER, &use), KEY_TAKEN);
    keys_give_back(&use);
    ck_assert_int_eq(take(k, 4, ROLE_INFER, &use), KEY_BUSY);

    reload(k, "a infer " D(004) " 2\nb infer " D(002) " 1\n");
    ck_assert_int_eq(take(k, 2, ROLE_INFER, &use), KEY_BUSY); /* from before */
    ck_assert_int_eq(take(k, 4, ROLE_INFER, &use), KEY_TAKEN);
    keys_give_back(&use);
    keys_give_back(&b);
    ck_assert_int_eq(take(k, 2, ROLE_INFER, &use), KEY_TAKEN);
    keys_give_back(&use);
    keys_give_back(&a);
    keys_delete(k);
}
END_TEST

START_TEST(a_key_that_is_gone_is_given_back_all_the_same)
{
    struct keys *k = open_keys("a infer " D(001) "\nb infer " D(002) "\n", 0);
    struct key_use b;
    ck_assert_int_eq(take(k, 2, ROLE_INFER, &b), KEY_TAKEN);
    reload(k, "a infer " D(001) "\n");
    ck_assert_str_eq(b.name, "b");
    keys_give_back(&b);
    reload(k, "a infer " D(001) "\n"); /* frees what b was counted in */
    keys_delete(k);
}
END_TEST

START_TEST(a_file_that_is_wrong_changes_nothing)
{
    static const char *const wrong[] = {"", "a infer\n",
                                        "a infer " D(007) "\nb infer " D(008) " x\n"};
    struct keys *k = open_keys("a infer " D(001) "\n", 0);
    struct key_use use;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct error e = {0};
        write_keys(wrong[i]);
        ck_assert(!keys_reload(k, &e));
        ck_assert_int_eq(take(k, 1, ROLE_INFER, &use), KEY_TAKEN);
        keys_give_back(&use);
        ck_assert_int_eq(take(k, 7, ROLE_INFER, &use), KEY_UNKNOWN);
    }
    struct error e = {0};
    unlink(path);
    ck_assert(!keys_reload(k, &e));
    ck_assert_ptr_nonnull(strstr(e.message, "No such file"));
    ck_assert_uint_eq(keys_count(k), 1);
    keys_delete(k);
}
END_TEST

static void assert_refused(const char *why)
{
    struct error e = {0};
    char start[128];
    snprintf(start, sizeof start, "keys_file: %s: ", path);
    ck_assert_ptr_null(keys_new(path, 0, memcmp, &e));
    ck_assert_msg(strncmp(e.message, start, strlen(start)) == 0, "%s", e.message);
    ck_assert_msg(strstr(e.message, why) != NULL, "%s", e.message);
    ck_assert_str_eq(e.path, "keys_file");
}

/* threat 112 */
START_TEST(a_refusal_names_file_and_line_and_nothing_of_what_is_there)
{
    static const char *const secrets[] = {
        "\n# x\nhush-hush infer\n",
        "\n\nname infer hush-hush\n",
        "\n\nname hush-hush " D(001) "\n",
        "\n\n/hush-hush infer " D(001) "\n",
        "\n\nname infer " D(001) " hush-hush\n",
        "\nhush-hush infer " D(001) "\nhush-hush infer " D(002) "\n",
        "\nhush-hush infer " D(001) "\nb infer " D(001) "\n",
    };
    for (size_t i = 0; i < sizeof secrets / sizeof *secrets; i++) {
        struct error e = {0};
        write_keys(secrets[i]);
        assert_refused(": line 3: ");
        ck_assert_ptr_null(keys_new(path, 0, memcmp, &e));
        ck_assert_ptr_null(strstr(e.message, "hush"));
        ck_assert_ptr_null(strstr(e.message, D(001)));
    }
    unlink(path);
}
END_TEST

START_TEST(what_is_no_file_of_keys_is_refused)
{
    write_keys("");
    assert_refused("there is no key");

    struct keys *k = open_keys("a infer " D(001) "\n", 0);
    ck_assert(!keys_exposed(k));
    keys_delete(k);
    ck_assert_int_eq(chmod(path, 0644), 0);
    struct error e = {0};
    ck_assert_ptr_nonnull(k = keys_new(path, 0, memcmp, &e));
    ck_assert(keys_exposed(k));
    keys_delete(k);
    ck_assert_int_eq(chmod(path, 0642), 0);
    assert_refused("everybody may write to it");

    unlink(path);
    assert_refused("No such file");
    ck_assert_int_eq(mkdir(path, 0700), 0);
    assert_refused("is not a regular file");
    rmdir(path);

    write_keys("a infer " D(001) "\n");
    FILE *file = fopen(path, "a");
    ck_assert_int_eq(fputc('\0', file), '\0');
    fclose(file);
    assert_refused("is not a text");
    ck_assert_int_eq(truncate(path, 300 * 1024), 0);
    assert_refused("is larger than");
    unlink(path);
}
END_TEST

START_TEST(without_memory_the_old_keys_stay)
{
    struct keys *k = open_keys("a infer " D(001) "\n", 0);
    struct error e = {0}, other = {0};
    write_keys("b infer " D(002) "\n");
    if (scarce_memory_begin()) {
        bool done = keys_reload(k, &e);
        struct keys *none = keys_new(path, 0, memcmp, &other);
        scarce_memory_end();
        ck_assert(!done);
        ck_assert_int_eq(e.code, ERROR_OUT_OF_MEMORY);
        ck_assert_ptr_null(none);
        ck_assert_int_eq(other.code, ERROR_OUT_OF_MEMORY);
    }
    struct key_use use;
    ck_assert_int_eq(take(k, 1, ROLE_INFER, &use), KEY_TAKEN);
    keys_give_back(&use);
    keys_delete(k);
    unlink(path);
}
END_TEST

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
/* The allocation that fails, counted from 1; 0: none. The C library's own are taken
 * over by those of the program. */
static size_t failing;
void *__libc_calloc(size_t count, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

static bool fails(void)
{
    return failing > 0 && --failing == 0;
}

void *calloc(size_t count, size_t size)
{
    return fails() ? NULL : __libc_calloc(count, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
    return fails() ? NULL : __libc_memalign(alignment, size);
}

START_TEST(whichever_allocation_fails_the_old_keys_stay)
{
    struct key_use use;
    struct keys *k = open_keys("a infer " D(001) "\n", 0);
    write_keys("b infer " D(002) "\na infer " D(001) "\nc infer " D(003) "\n");
    size_t n = 1;
    for (bool done = false; !done; n++) {
        struct error e = {0};
        failing = n;
        done = keys_reload(k, &e);
        failing = 0;
        ck_assert(done || e.code == ERROR_OUT_OF_MEMORY);
        ck_assert_uint_eq(keys_count(k), done ? 3 : 1);
        ck_assert_int_eq(take(k, 1, ROLE_INFER, &use), KEY_TAKEN);
        keys_give_back(&use);
    }
    ck_assert_uint_eq(n - 2, 4); /* the arena, the table, and two slots */
    keys_delete(k);
    unlink(path);
}
END_TEST
#else
START_TEST(whichever_allocation_fails_the_old_keys_stay)
{
    puts("skipped: a sanitizer has the allocations");
}
END_TEST
#endif

/* What the threads of the next test share. */
static struct {
    struct keys *keys;
    _Atomic bool ended;
    _Atomic size_t taken, in_progress, most, wrong;
} crowd;

static void *ask(void *context)
{
    (void)context;
    struct key_use use;
    while (!atomic_load(&crowd.ended)) {
        enum key_verdict verdict = take(crowd.keys, 1, ROLE_INFER, &use);
        if (verdict == KEY_TAKEN) {
            size_t now = 1 + atomic_fetch_add(&crowd.in_progress, 1);
            size_t most = atomic_load(&crowd.most);
            while (now > most &&
                   !atomic_compare_exchange_weak(&crowd.most, &most, now)) {
            }
            atomic_fetch_add(&crowd.taken, 1);
            atomic_fetch_sub(&crowd.in_progress, 1);
        }
        atomic_fetch_add(&crowd.wrong, verdict != KEY_TAKEN && verdict != KEY_BUSY);
        keys_give_back(&use);
        verdict = take(crowd.keys, 2, ROLE_INFER, &use); /* comes and goes */
        atomic_fetch_add(&crowd.wrong, verdict != KEY_TAKEN && verdict != KEY_UNKNOWN);
        keys_give_back(&use);
        nanosleep(&(struct timespec){0, 1000}, NULL); /* not while it looks */
    }
    return NULL;
}

START_TEST(tables_are_replaced_while_threads_look_at_them)
{
    enum { THREADS = 3, RELOADS = 200 };
    pthread_t threads[THREADS];
    crowd.keys = open_keys("a infer " D(001) " 2\n", 0);
    for (size_t i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, ask, NULL), 0);
    for (size_t i = 0; i < RELOADS; i++)
        reload(crowd.keys, i % 2 ? "a infer " D(001) " 2\n"
                                 : "b infer " D(002) "\na infer " D(001) " 2\n");
    atomic_store(&crowd.ended, true);
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    ck_assert_uint_gt(atomic_load(&crowd.taken), 0);
    ck_assert_uint_eq(atomic_load(&crowd.wrong), 0);
    ck_assert_uint_le(atomic_load(&crowd.most), 2);

    struct key_use uses[3];
    ck_assert_int_eq(take(crowd.keys, 1, ROLE_INFER, &uses[0]), KEY_TAKEN);
    ck_assert_int_eq(take(crowd.keys, 1, ROLE_INFER, &uses[1]), KEY_TAKEN);
    ck_assert_int_eq(take(crowd.keys, 1, ROLE_INFER, &uses[2]), KEY_BUSY);
    keys_give_back(&uses[0]);
    keys_give_back(&uses[1]);
    keys_delete(crowd.keys);
    unlink(path);
}
END_TEST

/* Who is kept in compare() until the reload has waited for it. */
static _Atomic(bool) looking, waited;
static _Thread_local bool reloads; /* others, of OpenBLAS's, yield as well */

int sched_yield(void)
{
    if (reloads)
        atomic_store(&waited, true);
    return 0;
}

static int compare_for_long(const void *a, const void *b, size_t n)
{
    for (atomic_store(&looking, true); !atomic_load(&waited);)
        usleep(100);
    return memcmp(a, b, n);
}

static void *look_for_long(void *keys)
{
    static struct key_use use;
    return take(keys, 1, ROLE_INFER, &use) == KEY_TAKEN ? &use : NULL;
}

START_TEST(a_table_stays_while_somebody_looks_at_it)
{
    struct error e = {0};
    pthread_t thread;
    void *use;
    write_keys("a infer " D(001) "\n");
    struct keys *k = keys_new(path, 0, compare_for_long, &e);
    ck_assert_msg(k != NULL, "%s", e.message);
    ck_assert_int_eq(pthread_create(&thread, NULL, look_for_long, k), 0);
    while (!atomic_load(&looking))
        usleep(100);
    reloads = true;
    reload(k, "b infer " D(002) "\n"); /* ends only after it has waited */
    ck_assert_int_eq(pthread_join(thread, &use), 0);
    ck_assert_ptr_nonnull(use); /* it was in the table it looked at */
    keys_give_back(use);
    keys_delete(k);
    unlink(path);
}
END_TEST

TEST_PROGRAM("keys", a_key_may_do_what_its_roles_say,
             every_digest_is_compared_whichever_matches,
             one_key_has_so_many_at_once_and_leaves_the_others_theirs,
             what_survives_a_reload_stays_counted,
             a_key_that_is_gone_is_given_back_all_the_same,
             a_file_that_is_wrong_changes_nothing,
             a_refusal_names_file_and_line_and_nothing_of_what_is_there,
             what_is_no_file_of_keys_is_refused, without_memory_the_old_keys_stay,
             whichever_allocation_fails_the_old_keys_stay,
             a_table_stays_while_somebody_looks_at_it,
             tables_are_replaced_while_threads_look_at_them)
