/* Loaded into a hypervisor by LD_PRELOAD: hands out a userfaultfd over guest RAM on request.
 *
 * Only the process that owns a mapping may register it (userfaultfd(2)), which is why this runs
 * inside the hypervisor. It does nothing until asked and never touches guest memory itself. The
 * thread does not survive a fork, so the hypervisor must not daemonise. */
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <unistd.h>

#include "CLinux.h"

static int memory_descriptor;

/* The one mapping of the memory file, found by device and inode: names in maps prove nothing. */
static int find_mapping(struct guestmemory_reply *reply) {
    struct stat file;
    if (fstat(memory_descriptor, &file) < 0) return errno;
    FILE *maps = fopen("/proc/self/maps", "re");
    if (!maps) return errno;
    char line[512];
    int failure = ENOENT;
    while (fgets(line, sizeof line, maps)) {
        uint64_t start, end, inode;
        unsigned major, minor;
        if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %*4s %*x %x:%x %" SCNu64, &start, &end, &major,
                   &minor, &inode) != 5)
            continue;
        if (inode != file.st_ino || makedev(major, minor) != file.st_dev) continue;
        if (end - start != (uint64_t)file.st_size) continue;
        reply->address = start;
        reply->length = end - start;
        failure = 0;
        break;
    }
    fclose(maps);
    return failure;
}

static void answer(int client, int device) {
    struct guestmemory_reply reply = {.process = (uint32_t)getpid()};
    reply.failure = find_mapping(&reply);
    int tracking = -1;
    if (!reply.failure) {
        tracking = clinux_tracking_start(device, reply.address, reply.length);
        if (tracking < 0) reply.failure = -tracking;
    }
    clinux_send(client, &reply, sizeof reply, &tracking, tracking < 0 ? 0 : 1);
    if (tracking >= 0) close(tracking);
}

/* The memory file itself: for a guardian that takes the hypervisor over. */
static void hand_out_memory(int client) {
    struct guestmemory_reply reply = {.process = (uint32_t)getpid()};
    reply.failure = find_mapping(&reply);
    clinux_send(client, &reply, sizeof reply, &memory_descriptor, reply.failure ? 0 : 1);
}

static void serve(int client) {
    uint32_t user;
    if (clinux_peer_user(client, &user) < 0 || (user != 0 && user != geteuid())) return;
    for (;;) {
        char request;
        int descriptors[clinux_descriptors_max];
        size_t count = 0;
        int received = clinux_receive(client, &request, 1, descriptors, &count);
        if (received > 0 && request == GUESTMEMORY_TRACK) answer(client, count ? descriptors[0] : -1);
        if (received > 0 && request == GUESTMEMORY_FILE) hand_out_memory(client);
        while (count > 0) close(descriptors[--count]);
        if (received <= 0) return;
    }
}

static void *run(void *argument) {
    int listener = (int)(intptr_t)argument;
    prctl(PR_SET_NAME, "livemig-memory", 0, 0, 0);
    for (;;) {
        int client = clinux_accept(listener);
        if (client < 0) {
            if (client == -ECONNABORTED) continue;
            return 0;
        }
        serve(client);
        close(client);
    }
}

/* A listening socket that only its owner may connect to. */
static int listen_at(const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path) return -ENAMETOOLONG;
    strcpy(address.sun_path, path);
    int listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (listener < 0) return -errno;
    unlink(path);
    mode_t previous = umask(0177);
    int failed = bind(listener, (struct sockaddr *)&address, sizeof address) < 0 ||
                 listen(listener, 4) < 0;
    int failure = errno;
    umask(previous);
    if (!failed) return listener;
    close(listener);
    return -failure;
}

/* Threads of this library take no signals: those belong to the hypervisor's own threads. */
static int start_thread(int listener) {
    sigset_t all, previous;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &previous);
    pthread_t thread;
    int failure = pthread_create(&thread, 0, run, (void *)(intptr_t)listener);
    pthread_sigmask(SIG_SETMASK, &previous, 0);
    return failure;
}

/* Whoever started the hypervisor and dies before it has written that down leaves nothing behind. */
static void wait_at_gate(const char *number) {
    int gate = atoi(number);
    char byte;
    ssize_t count;
    do count = read(gate, &byte, 1);
    while (count < 0 && errno == EINTR);
    if (count != 1) _exit(127);
    close(gate);
}

__attribute__((constructor)) static void start(void) {
    const char *path = getenv(GUESTMEMORY_SOCKET);
    const char *number = getenv(GUESTMEMORY_DESCRIPTOR);
    if (!path || !number) return;
    const char *gate = getenv(GUESTMEMORY_GATE);
    if (getenv(GUESTMEMORY_PRIVATE)) prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    if (gate) wait_at_gate(gate);
    memory_descriptor = atoi(number);
    int listener = listen_at(path);
    int failure = listener < 0 ? -listener : start_thread(listener);
    if (failure) fprintf(stderr, "libguestmemory: %s: %s\n", path, strerror(failure));
    unsetenv("LD_PRELOAD");
    unsetenv(GUESTMEMORY_SOCKET);
    unsetenv(GUESTMEMORY_DESCRIPTOR);
    unsetenv(GUESTMEMORY_GATE);
    unsetenv(GUESTMEMORY_PRIVATE);
}
