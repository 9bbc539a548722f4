#define _GNU_SOURCE
#include "dirty_tracking.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/* From include/uapi/linux/userfaultfd.h of Linux 6.7; older headers stop at bit 12. */
#define FEATURE_WP_UNPOPULATED (1ull << 13)
#define FEATURE_WP_ASYNC (1ull << 15)

/* From include/uapi/linux/fs.h of Linux 6.7. */
struct scan_argument {
    uint64_t size, flags, start, end, walk_end, vec, vec_len, max_pages;
    uint64_t category_inverted, category_mask, category_anyof_mask, return_mask;
};
_Static_assert(sizeof(struct scan_argument) == 96, "struct pm_scan_arg has twelve 64-bit words");
_Static_assert(sizeof(struct clinux_page_run) == 24, "struct page_region has three 64-bit words");
#define SCAN_IOCTL _IOWR('f', 16, struct scan_argument)
_Static_assert(SCAN_IOCTL == 0xC0606610, "PAGEMAP_SCAN");
#ifdef PAGEMAP_SCAN
_Static_assert(SCAN_IOCTL == PAGEMAP_SCAN, "PAGEMAP_SCAN");
#endif
#define SCAN_WP_MATCHING (1ull << 0)
#define SCAN_CHECK_WPASYNC (1ull << 1)
#define PAGE_WRITTEN (1ull << 1)

static const uint64_t features = FEATURE_WP_ASYNC | FEATURE_WP_UNPOPULATED |
                                 UFFD_FEATURE_PAGEFAULT_FLAG_WP | UFFD_FEATURE_WP_HUGETLBFS_SHMEM;

static int open_userfaultfd(int device) {
    int flags = O_CLOEXEC | O_NONBLOCK;
    long result = device >= 0 ? ioctl(device, USERFAULTFD_IOC_NEW, flags)
                              : syscall(SYS_userfaultfd, flags);
    return result < 0 ? -errno : (int)result;
}

int clinux_tracking_start(int device, uint64_t address, uint64_t length) {
    int descriptor = open_userfaultfd(device);
    if (descriptor < 0) return descriptor;
    struct uffdio_api api = {.api = UFFD_API, .features = features};
    struct uffdio_register range = {.range = {address, length}, .mode = UFFDIO_REGISTER_MODE_WP};
    if (ioctl(descriptor, UFFDIO_API, &api) < 0 || ioctl(descriptor, UFFDIO_REGISTER, &range) < 0) {
        int failure = errno;
        close(descriptor);
        return -failure;
    }
    return descriptor;
}

int clinux_tracking_harvest(int pagemap, uint64_t *start, uint64_t end,
                            struct clinux_page_run *runs, uint64_t capacity) {
    struct scan_argument scan = {
        .size = sizeof scan, .flags = SCAN_WP_MATCHING | SCAN_CHECK_WPASYNC,
        .start = *start, .end = end, .vec = (uint64_t)(uintptr_t)runs, .vec_len = capacity,
        .category_mask = PAGE_WRITTEN, .return_mask = PAGE_WRITTEN};
    int count;
    do count = ioctl(pagemap, SCAN_IOCTL, &scan);
    while (count < 0 && errno == EINTR);
    if (count < 0) return -errno;
    *start = scan.walk_end;
    return count;
}

/* A userfaultfd as trackers use it, by the system call or by the device; -1 when not allowed. */
static int open_permitted(void) {
    int descriptor = open_userfaultfd(-1);
    if (descriptor >= 0) return descriptor;
    int device = open("/dev/userfaultfd", O_RDWR | O_CLOEXEC);
    if (device < 0) return -1;
    descriptor = open_userfaultfd(device);
    close(device);
    return descriptor;
}

int clinux_tracking_probe(void) {
    int found = 0;
    int descriptor = open_permitted();
    if (descriptor >= 0)
        found |= clinux_tracking_permission;
    else
        /* Allowed to everyone (userfaultfd(2)); enough to ask for features, not to track with. */
        descriptor = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK | UFFD_USER_MODE_ONLY);
    if (descriptor >= 0) {
        found |= clinux_tracking_userfaultfd;
        struct uffdio_api api = {.api = UFFD_API};
        if (ioctl(descriptor, UFFDIO_API, &api) == 0 && (api.features & features) == features)
            found |= clinux_tracking_async_write_protect;
        close(descriptor);
    }

    int pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    if (pagemap >= 0) {
        struct scan_argument empty = {.size = sizeof empty};
        if (ioctl(pagemap, SCAN_IOCTL, &empty) == 0) found |= clinux_tracking_page_scan;
        close(pagemap);
    }
    return found;
}
