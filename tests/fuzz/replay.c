/* Runs the corpus of the fuzzer it is linked with, without libFuzzer: what was found
 * once is looked at in every run of the unit tests, by any compiler. The program is
 * called replay_NAME and reads tests/fuzz/corpus/NAME, or the folders it is given. */
#include <dirent.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char path[4096]; /* of the input that runs */

static void name_input(int number)
{
    (void)!write(STDERR_FILENO, path, strlen(path));
    (void)!write(STDERR_FILENO, "\n", 1);
    signal(number, SIG_DFL);
    raise(number);
}

static void run_file(void)
{
    enum { MOST = 1 << 20 };
    FILE *in = fopen(path, "rb");
    uint8_t *data = malloc(MOST);
    if (!in || !data) {
        perror(path);
        exit(EXIT_FAILURE);
    }
    size_t size = fread(data, 1, MOST, in);
    fclose(in);
    LLVMFuzzerTestOneInput(data, size);
    free(data);
}

static unsigned run_folder(const char *folder)
{
    struct dirent **entries;
    int count = scandir(folder, &entries, NULL, alphasort);
    unsigned run = 0;
    for (int i = 0; i < count; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, entries[i]->d_name);
        if (entries[i]->d_name[0] != '.') {
            run_file();
            run++;
        }
        free(entries[i]);
    }
    if (count >= 0)
        free(entries);
    return run;
}

/* Its last lines are those of the other test programs. */
int main(int argc, char **argv)
{
    char own[256];
    signal(SIGABRT, name_input);
    const char *name = strstr(argv[0], "replay_");
    snprintf(own, sizeof own, "tests/fuzz/corpus/%s", name ? name + 7 : "");
    unsigned run = argc > 1 ? 0 : run_folder(own);
    for (int i = 1; i < argc; i++)
        run += run_folder(argv[i]);
    printf("Running suite(s): corpus of %s, %u inputs\n", name ? name + 7 : argv[0],
           run);
    printf("100%%: Checks: 1, Failures: 0, Errors: 0\n");
    return run ? EXIT_SUCCESS : EXIT_FAILURE;
}
