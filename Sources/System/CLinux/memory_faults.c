#define _GNU_SOURCE
#include "memory_faults.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>

enum { page_size = 4096, watches_max = 64 };

/* A start of `reserved` is a watch that is being set up. */
static const uintptr_t reserved = 1;

struct watch {
    _Atomic uintptr_t start;
    _Atomic size_t length;
    /* One more than the offset of the first faulty page; 0 for none. */
    _Atomic uint64_t fault;
};
static struct watch watches[watches_max];

/* Puts a page of zeros where the faulty one is; 0 when the address is not watched.
 * mmap(2) is a plain system call, which a signal handler may make. */
static int replace(uintptr_t address) {
    for (int i = 0; i < watches_max; i++) {
        uintptr_t start = atomic_load(&watches[i].start);
        if (start <= reserved || address < start) continue;
        if (address - start >= atomic_load(&watches[i].length)) continue;
        uintptr_t page = address & ~(uintptr_t)(page_size - 1);
        void *zeros = mmap((void *)page, page_size, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
        if (zeros == MAP_FAILED) return 0;
        uint64_t none = 0;
        atomic_compare_exchange_strong(&watches[i].fault, &none, page - start + 1);
        return 1;
    }
    return 0;
}

static void bus_error(int number, siginfo_t *info, void *context) {
    (void)context;
    int before = errno;
    /* Only the kernel says where; one that was sent, or is about other memory, ends the process. */
    if (info->si_code <= 0 || !replace((uintptr_t)info->si_addr)) {
        signal(number, SIG_DFL);
        raise(number);
    }
    errno = before;
}

static void install(void) {
    struct sigaction action = {.sa_sigaction = bus_error, .sa_flags = SA_SIGINFO | SA_RESTART};
    sigemptyset(&action.sa_mask);
    sigaction(SIGBUS, &action, 0);
}

int clinux_faults_watch(const void *start, size_t length) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, install);
    for (int i = 0; i < watches_max; i++) {
        uintptr_t none = 0;
        if (!atomic_compare_exchange_strong(&watches[i].start, &none, reserved)) continue;
        atomic_store(&watches[i].length, length);
        atomic_store(&watches[i].fault, 0);
        atomic_store(&watches[i].start, (uintptr_t)start);
        return i;
    }
    return -ENOSPC;
}

void clinux_faults_ignore(int number) {
    if (number >= 0 && number < watches_max) atomic_store(&watches[number].start, 0);
}

int64_t clinux_faults_first(int number) {
    if (number < 0 || number >= watches_max) return -1;
    return (int64_t)atomic_load(&watches[number].fault) - 1;
}
