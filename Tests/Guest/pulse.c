// The heartbeat page: one page that counts every half millisecond, so that an observer outside can see a blackout to the millisecond.
#define _GNU_SOURCE
#include "workload.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

enum { PERIOD_NS = 500000, COUNTER = 2, CLOCK = 3, COUNTER_AGAIN = 4, WRITTEN = 5 };

static volatile uint64_t *pulse;

static void *count_for_ever(void *unused)
{
    (void)unused;
    // Real-time priority and no timer slack: the writer and the checker must not delay the count.
    const struct sched_param priority = {.sched_priority = 50};
    sched_setscheduler(0, SCHED_FIFO, &priority);
    prctl(PR_SET_TIMERSLACK, 1);
    const struct timespec period = {0, PERIOD_NS};
    for (;;) {
        struct timespec now;
        clock_gettime(CLOCK_MONOTONIC, &now);
        uint64_t next = pulse[COUNTER] + 1;
        pulse[COUNTER] = next;
        pulse[CLOCK] = (uint64_t)now.tv_sec * 1000000000ull + (uint64_t)now.tv_nsec;
        pulse[WRITTEN] = atomic_load(&progress.written_pages);
        atomic_thread_fence(memory_order_release);
        pulse[COUNTER_AGAIN] = next;
        nanosleep(&period, NULL);
    }
    return NULL;
}

/// Starts the count and returns the guest-physical address of its page, 0 if unknown.
uint64_t start_pulse(void)
{
    // Compaction could move the page to another frame and strand the observer.
    int knob = open("/proc/sys/vm/compact_unevictable_allowed", O_WRONLY | O_CLOEXEC);
    if (knob >= 0) {
        if (write(knob, "0", 1) != 1)
            say("ERROR the heartbeat page may move: compact_unevictable_allowed cannot be set");
        close(knob);
    }
    pulse = map_memory(PAGE_BYTES, "the heartbeat page");
    // The two halves of the magic meet in this page only, so that a search of guest RAM does not find the program's own text.
    static const volatile char first[] = "LIVEMIG", second[] = "HEARTBEAT";
    volatile char *magic = (volatile char *)pulse;
    for (int i = 0; i < 7; i++)
        magic[i] = first[i];
    for (int i = 0; i < 9; i++)
        magic[7 + i] = second[i];
    if (mlock((const void *)pulse, PAGE_BYTES) != 0)
        say("ERROR the heartbeat page cannot be locked");
    start_thread("pulse", count_for_ever, NULL);
    return guest_physical((const void *)pulse);
}
