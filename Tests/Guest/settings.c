// Reads the lm.* settings of the kernel command line. A typing error must not turn into a weaker test, so nothing unknown passes.
#define _GNU_SOURCE
#include "workload.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static uint64_t number(const char *key, const char *text, uint64_t low, uint64_t high)
{
    char *end = NULL;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (errno || end == text || *end || *text == '-' || value < low || value > high)
        fail("%s=%s is not a whole number from %llu to %llu", key, text, (unsigned long long)low, (unsigned long long)high);
    return value;
}

static int choice(const char *key, const char *text, const char *const *names, int count)
{
    for (int i = 0; i < count; i++)
        if (strcmp(text, names[i]) == 0)
            return i;
    fail("%s=%s is not known", key, text);
}

static void copy_name(const char *key, const char *text, char out[NAME_BYTES])
{
    if (!*text || strlen(text) >= NAME_BYTES)
        fail("%s needs a value of 1 to %d characters", key, NAME_BYTES - 1);
    strcpy(out, text);
}

static void apply(const char *key, const char *value)
{
    static const char *const contents[] = {"zero", "random", "text", "mixed"};  // order of enum content
    static const char *const changes[] = {"page", "slice"};                     // order of enum change
    if (strcmp(key, "lm.fill") == 0)
        settings.fill_mib = number(key, value, 1, 1048576);
    else if (strcmp(key, "lm.ws") == 0)
        settings.ws_mib = number(key, value, 1, 1048576);
    else if (strcmp(key, "lm.rate") == 0)
        settings.rate_mb = number(key, value, 0, 1000000);
    else if (strcmp(key, "lm.beat") == 0)
        settings.beat_ms = number(key, value, 10, 60000);
    else if (strcmp(key, "lm.check") == 0)
        settings.check_percent = number(key, value, 0, 100);
    else if (strcmp(key, "lm.content") == 0)
        settings.content = (enum content)choice(key, value, contents, 4);
    else if (strcmp(key, "lm.change") == 0)
        settings.change = (enum change)choice(key, value, changes, 2);
    else if (strcmp(key, "lm.disk") == 0)
        copy_name(key, value, settings.disk);
    else if (strcmp(key, "lm.net") == 0)
        copy_name(key, value, settings.net);
    else
        fail("unknown setting %s", key);
}

void read_settings(const char *path)
{
    static char line[4096];
    settings = (struct settings){.fill_mib = 64, .ws_mib = 0, .beat_ms = 500, .check_percent = 25, .content = CONTENT_MIXED};
    int file = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t count = file < 0 ? -1 : read(file, line, sizeof line - 1);
    if (count < 0)
        fail("cannot read %s: %s", path, strerror(errno));
    close(file);
    line[count] = 0;
    char *rest = NULL;
    for (char *word = strtok_r(line, " \t\n", &rest); word; word = strtok_r(NULL, " \t\n", &rest)) {
        if (strncmp(word, "lm.", 3) != 0)
            continue;
        char *equals = strchr(word, '=');
        if (!equals)
            fail("setting %s has no value", word);
        *equals = 0;
        apply(word, equals + 1);
    }
    if (settings.ws_mib == 0)
        settings.ws_mib = settings.fill_mib < 16 ? settings.fill_mib : 16;
    if (settings.ws_mib > settings.fill_mib)
        fail("lm.ws=%llu is more than lm.fill=%llu", (unsigned long long)settings.ws_mib, (unsigned long long)settings.fill_mib);
}
