#define _GNU_SOURCE
#include "file_attributes.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

/* The kernel's own limits (XATTR_LIST_MAX, XATTR_SIZE_MAX in linux/limits.h). */
enum { names_max = 65536, value_max = 65536 };

static int copy_attribute(int from, int to, const char *name, char *value) {
    ssize_t size = fgetxattr(from, name, value, value_max);
    if (size < 0) return -errno;
    return fsetxattr(to, name, value, (size_t)size, 0) < 0 ? -errno : 0;
}

static int copy_attributes(int from, int to, char *names, char *value) {
    ssize_t length = flistxattr(from, names, names_max);
    if (length < 0) return errno == ENOTSUP ? 0 : -errno;
    for (ssize_t at = 0; at < length;) {
        int result = copy_attribute(from, to, names + at, value);
        if (result < 0) return result;
        while (at < length && names[at]) at++;
        at++;
    }
    return 0;
}

int clinux_copy_attributes(int from, int to) {
    struct stat status;
    if (fstat(from, &status) < 0) return -errno;
    if (fchown(to, status.st_uid, status.st_gid) < 0) return -errno;
    if (fchmod(to, status.st_mode & 07777) < 0) return -errno;
    char *names = malloc(names_max), *value = malloc(value_max);
    int result = names && value ? copy_attributes(from, to, names, value) : -ENOMEM;
    free(names);
    free(value);
    return result;
}
