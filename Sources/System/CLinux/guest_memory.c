#define _GNU_SOURCE
#include "guest_memory.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

_Static_assert(clinux_seek_data == SEEK_DATA && clinux_seek_hole == SEEK_HOLE, "lseek(2)");

static const int size_seals = F_SEAL_SHRINK | F_SEAL_GROW;

int clinux_memory_create(const char *name, uint64_t size) {
    int descriptor = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (descriptor < 0) return -errno;
    /* A memory file is made with mode 0777, and /proc/PID/fd lets others of its user open it. */
    if (fchmod(descriptor, 0600) < 0 || ftruncate(descriptor, (off_t)size) < 0 ||
        fcntl(descriptor, F_ADD_SEALS, size_seals | F_SEAL_SEAL) < 0) {
        int failure = errno;
        close(descriptor);
        return -failure;
    }
    return descriptor;
}

int clinux_memory_is_sealed(int descriptor) {
    int seals = fcntl(descriptor, F_GET_SEALS);
    if (seals < 0) return -errno;
    return (seals & size_seals) == size_seals;
}

int clinux_memory_punch(int descriptor, uint64_t offset, uint64_t length) {
    int mode = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
    return fallocate(descriptor, mode, (off_t)offset, (off_t)length) < 0 ? -errno : 0;
}
