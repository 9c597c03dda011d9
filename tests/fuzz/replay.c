/*
 * Runs a fuzzer's inputs without the fuzzer: every committed seed and every past crash is a test.
 *
 *     NAME FILE…
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { INPUT_MAX = 1 << 20 };

static int replay(const char *path, uint8_t *input)
{
    FILE *file = fopen(path, "rb");
    size_t size = file == NULL ? 0 : fread(input, 1, INPUT_MAX, file);

    if (file == NULL || ferror(file) != 0 || size == INPUT_MAX) {
        fprintf(stderr, "failed: cannot read %s\n", path);
        return 1;
    }
    fclose(file);
    fprintf(stderr, "%s\n", path); /* before it runs: a crash is told by the last line */
    return LLVMFuzzerTestOneInput(input, size);
}

int main(int count, char **paths)
{
    uint8_t *input = malloc(INPUT_MAX);
    int failed = input == NULL || count < 2;

    for (int i = 1; i < count && !failed; i++) {
        failed = replay(paths[i], input);
    }
    free(input);
    return failed;
}
