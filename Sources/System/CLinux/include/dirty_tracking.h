/* Write tracking without stopping the writer: userfaultfd write-protection resolved by the kernel
 * (UFFD_FEATURE_WP_ASYNC) and the PAGEMAP_SCAN ioctl, both from Linux 6.7.
 * Sources: Documentation/admin-guide/mm/{userfaultfd,pagemap}.rst, include/uapi/linux/{fs,userfaultfd}.h */
#ifndef CLINUX_DIRTY_TRACKING_H
#define CLINUX_DIRTY_TRACKING_H

#include <stdint.h>

/* One run of written pages, as addresses in the tracked process. */
struct clinux_page_run {
    uint64_t start;
    uint64_t end;
    uint64_t categories;
};

/* What the running kernel offers, from UFFDIO_API on a fresh userfaultfd. */
enum clinux_tracking_support {
    clinux_tracking_async_write_protect = 1,
    clinux_tracking_page_scan = 2,
    clinux_tracking_userfaultfd = 4,
    /* Whether this process may have a userfaultfd that sees the kernel's writes as well. */
    clinux_tracking_permission = 8,
};

/* The bits above that hold here. What the kernel has is found out without privilege, too. */
int clinux_tracking_probe(void);

/* A userfaultfd of the calling process with asynchronous write-protection, registered over the
 * range. `device` is an open /dev/userfaultfd, or -1 to use the system call. */
int clinux_tracking_start(int device, uint64_t address, uint64_t length);

/* Reports written pages of [*start, end) and write-protects them again, atomically for each page;
 * moves *start to where the scan stopped. Returns how many runs were filled in. */
int clinux_tracking_harvest(int pagemap, uint64_t *_Nonnull start, uint64_t end,
                            struct clinux_page_run *_Nonnull runs, uint64_t capacity);

#endif
