// The fill area, the thread that rewrites its working set and the thread that checks all of it.
//
// Double entry: the generation of every page stands in two ledgers, one before and one behind the fill area (the second
// inverted), besides the one in the page's own header; and the generations of a stripe of pages add up to the number of
// rewrites counted for that stripe. Pages share 64 locks by number, so the checker never sees a page half written by the writer.
#define _GNU_SOURCE
#include "workload.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/sysinfo.h>
#include <time.h>
#include <unistd.h>

enum { STRIPES = 64, BURST = 16, KEPT_REPORTS = 8, REPORT_BYTES = 320 };

static uint64_t *ledger;           // generation of each page
static uint64_t *counter_ledger;   // its complement
static uint64_t *fill;             // the pages
static uint64_t fill_pages, ws_pages;

static struct stripe {
    pthread_mutex_t lock;
    uint64_t rewrites;
} __attribute__((aligned(64))) stripes[STRIPES];

static struct {
    pthread_mutex_t lock;
    int count;
    char lines[KEPT_REPORTS][REPORT_BYTES];
    uint8_t *seen;  // one bit per page: a page is counted once
} reports = {.lock = PTHREAD_MUTEX_INITIALIZER};

void *map_memory(uint64_t bytes, const char *what)
{
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        fail("no memory for %s (%llu bytes): %s", what, (unsigned long long)bytes, strerror(errno));
    return memory;
}

/// The guest-physical address behind a mapped address, 0 if the kernel does not tell (pagemap.rst: bits 0–54 are the frame).
uint64_t guest_physical(const void *address)
{
    uint64_t entry = 0;
    int file = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return 0;
    off_t offset = (off_t)((uintptr_t)address / PAGE_BYTES * sizeof entry);
    ssize_t count = pread(file, &entry, sizeof entry, offset);
    close(file);
    if (count != sizeof entry || !(entry >> 63))
        return 0;
    return (entry & ((1ull << 55) - 1)) * PAGE_BYTES + (uintptr_t)address % PAGE_BYTES;
}

static void copy_page(uint64_t *to, const uint64_t *from)
{
    for (int i = 0; i < PAGE_WORDS; i++)
        to[i] = from[i];
}

static void keep_report(const char *line)
{
    pthread_mutex_lock(&reports.lock);
    if (reports.count < KEPT_REPORTS)
        snprintf(reports.lines[reports.count++], REPORT_BYTES, "%s", line);
    pthread_mutex_unlock(&reports.lock);
}

void repeat_corruption(void)
{
    pthread_mutex_lock(&reports.lock);
    for (int i = 0; i < reports.count; i++)
        say("%s", reports.lines[i]);
    pthread_mutex_unlock(&reports.lock);
}

static const char *kind_of_damage(uint64_t page, uint64_t generation, const uint64_t *found)
{
    uint64_t any = 0;
    for (int i = 0; i < PAGE_WORDS; i++)
        any |= found[i];
    uint64_t wanted[PAGE_WORDS];
    make_page(page, generation, wanted);
    if (!any)
        return "lost";
    if (!wanted[0])  // a page that should be zero: what it holds instead tells where it came from
        return found[1] == page && found[2] < generation ? "stale" : "torn";
    if (found[0] != wanted[0] || found[1] != page)
        return "foreign";
    return found[2] < generation ? "stale" : found[2] > generation ? "newer" : "torn";
}

/// Reports one bad page; a page that was reported before is not counted again.
static void report_page(uint64_t page, uint64_t generation, const char *kind, const uint64_t *wanted, const uint64_t *found)
{
    int words = 0, first = -1;
    for (int i = PAGE_WORDS - 1; i >= 0; i--)
        if (wanted[i] != found[i])
            words++, first = i;
    pthread_mutex_lock(&reports.lock);
    bool known = reports.seen[page / 8] >> (page % 8) & 1;
    reports.seen[page / 8] |= (uint8_t)(1u << (page % 8));
    pthread_mutex_unlock(&reports.lock);
    if (known)
        return;
    char line[REPORT_BYTES];
    snprintf(line, sizeof line,
             "CORRUPT page=%llu expected=generation:%llu,sum:%llx found=page:%llx,generation:%llx,sum:%llx kind=%s "
             "words=%d first=%d gpa=0x%llx beat=%llu",
             (unsigned long long)page, (unsigned long long)generation, (unsigned long long)wanted[3],
             (unsigned long long)found[1], (unsigned long long)found[2], (unsigned long long)found[3], kind, words, first,
             (unsigned long long)guest_physical(found), (unsigned long long)atomic_load(&progress.beat));
    atomic_fetch_add(&progress.corrupt, 1);
    keep_report(line);
    say("%s", line);
}

static void report_sum(const char *what, uint64_t place, uint64_t expected, uint64_t found, const char *kind)
{
    char line[REPORT_BYTES];
    snprintf(line, sizeof line, "CORRUPT page=%s%llu expected=generation:%llu found=generation:%llu kind=%s", what,
             (unsigned long long)place, (unsigned long long)expected, (unsigned long long)found, kind);
    if (atomic_fetch_add(&progress.corrupt, 1) < KEPT_REPORTS) {
        keep_report(line);
        say("%s", line);
    }
}

/// Checks one page against its generation; the caller holds the stripe's lock.
static void check_page(uint64_t page)
{
    uint64_t wanted[PAGE_WORDS], difference = 0;
    uint64_t *found = fill + page * PAGE_WORDS;
    if (ledger[page] != ~counter_ledger[page]) {
        report_sum("", page, ledger[page], ~counter_ledger[page], "ledger");
        counter_ledger[page] = ~ledger[page];  // settled, or every pass would count it again
    }
    make_page(page, ledger[page], wanted);
    for (int i = 0; i < PAGE_WORDS; i++)
        difference |= wanted[i] ^ found[i];
    if (difference)
        report_page(page, ledger[page], kind_of_damage(page, ledger[page], found), wanted, found);
}

/// Before a page is overwritten its header is compared, so that a rewrite cannot hide that the page had gone stale.
static void check_header(uint64_t page)
{
    uint64_t *found = fill + page * PAGE_WORDS;
    uint64_t generation = ledger[page];
    bool zero = page_kind(page, generation) == CONTENT_ZERO && (settings.content != CONTENT_ZERO || generation % 2 == 0);
    if (zero ? (found[0] | found[1] | found[2] | found[3]) != 0 : found[1] != page || found[2] != generation)
        check_page(page);
}

static void rewrite_page(uint64_t page)
{
    uint64_t next[PAGE_WORDS];
    struct stripe *stripe = &stripes[page % STRIPES];
    pthread_mutex_lock(&stripe->lock);
    check_header(page);
    make_page(page, ledger[page] + 1, next);
    copy_page(fill + page * PAGE_WORDS, next);
    ledger[page]++;
    counter_ledger[page]--;
    stripe->rewrites++;
    pthread_mutex_unlock(&stripe->lock);
}

static uint64_t now_ns(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000ull + (uint64_t)now.tv_nsec;
}

static void sleep_ns(uint64_t duration)
{
    struct timespec time = {(time_t)(duration / 1000000000ull), (long)(duration % 1000000000ull)};
    nanosleep(&time, NULL);
}

/// Rewrites random pages of the working set. What it owes is kept by the clock; a debt of over half a second is dropped.
static void *write_for_ever(void *unused)
{
    (void)unused;
    uint64_t state = 88172645463325252ull, start = now_ns(CLOCK_MONOTONIC), bytes = 0;
    for (;;) {
        for (int i = 0; i < BURST; i++) {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            rewrite_page(state % ws_pages);
        }
        bytes += BURST * PAGE_BYTES;
        atomic_fetch_add(&progress.written_pages, BURST);
        uint64_t elapsed = now_ns(CLOCK_MONOTONIC) - start;
        uint64_t due = (uint64_t)((double)bytes * 1000 / (double)settings.rate_mb);
        if (due > elapsed)
            sleep_ns(due - elapsed);
        else if (elapsed - due > 500000000ull)
            start = now_ns(CLOCK_MONOTONIC), bytes = 0;
    }
    return NULL;
}

/// The generations of a stripe add up to its rewrites, or a ledger entry went back together with its page.
static void check_stripe(uint64_t number)
{
    uint64_t sum = 0;
    pthread_mutex_lock(&stripes[number].lock);
    for (uint64_t page = number; page < fill_pages; page += STRIPES)
        sum += ledger[page];
    if (sum != stripes[number].rewrites) {
        report_sum("stripe:", number, stripes[number].rewrites, sum, "count");
        stripes[number].rewrites = sum;
    }
    pthread_mutex_unlock(&stripes[number].lock);
}

/// Walks all pages for ever, within its share of one CPU.
static void *check_for_ever(void *unused)
{
    (void)unused;
    setpriority(PRIO_PROCESS, (id_t)gettid(), 10);
    for (uint64_t page = 0;;) {
        uint64_t begin = now_ns(CLOCK_THREAD_CPUTIME_ID), count = 0;
        for (; count < BURST && page < fill_pages; count++, page++) {
            pthread_mutex_lock(&stripes[page % STRIPES].lock);
            check_page(page);
            pthread_mutex_unlock(&stripes[page % STRIPES].lock);
        }
        atomic_fetch_add(&progress.checked_pages, count);
        if (page == fill_pages) {
            page = 0;
            for (uint64_t stripe = 0; stripe < STRIPES; stripe++)
                check_stripe(stripe);
        }
        uint64_t used = now_ns(CLOCK_THREAD_CPUTIME_ID) - begin;
        if (settings.check_percent < 100)
            sleep_ns(used * (100 - settings.check_percent) / settings.check_percent);
    }
    return NULL;
}

void fill_memory(void)
{
    struct sysinfo info;
    uint64_t bytes = settings.fill_mib << 20;
    fill_pages = bytes / PAGE_BYTES;
    ws_pages = (settings.ws_mib << 20) / PAGE_BYTES;
    if (sysinfo(&info) == 0 && bytes + bytes / 200 + (16ull << 20) > (uint64_t)info.freeram * info.mem_unit)
        fail("lm.fill=%llu does not fit: %llu MiB are free; give the guest more memory or fill less",
             (unsigned long long)settings.fill_mib, (unsigned long long)info.freeram * info.mem_unit >> 20);
    ledger = map_memory(fill_pages * sizeof *ledger, "the ledger");
    memset(ledger, 0, fill_pages * sizeof *ledger);  // touched before the fill area, so that it does not lie among its pages
    fill = map_memory(bytes, "the fill area");
    for (uint64_t page = 0; page < fill_pages; page++) {
        uint64_t first[PAGE_WORDS];
        make_page(page, 0, first);
        copy_page(fill + page * PAGE_WORDS, first);
    }
    counter_ledger = map_memory(fill_pages * sizeof *counter_ledger, "the second ledger");
    for (uint64_t page = 0; page < fill_pages; page++)
        counter_ledger[page] = ~ledger[page];
    reports.seen = map_memory(fill_pages / 8 + 1, "the reports");
    for (int i = 0; i < STRIPES; i++)
        pthread_mutex_init(&stripes[i].lock, NULL);
}

void start_memory_threads(void)
{
    if (settings.rate_mb)
        start_thread("writer", write_for_ever, NULL);
    if (settings.check_percent)
        start_thread("checker", check_for_ever, NULL);
}
