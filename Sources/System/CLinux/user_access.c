#define _GNU_SOURCE
#include "include/user_access.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdlib.h>
#include <sys/fsuid.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

_Static_assert(clinux_no_execution == ST_NOEXEC, "ST_NOEXEC");

/* NGROUPS_MAX of the kernel is 65536; a user in more groups than this is refused. */
#define groups_max 1024

/* The system call, which changes the calling thread alone; setgroups(3) changes all threads. */
static int set_groups(int count, const gid_t *groups) {
    return syscall(SYS_setgroups, (long)count, groups) < 0 ? -errno : 0;
}

int clinux_open_as(const char *name, uint32_t user, uint32_t group, const char *path, int flags) {
    gid_t own[groups_max], theirs[groups_max];
    int theirs_count = groups_max;
    int own_count = getgroups(groups_max, own);
    if (own_count < 0) return -errno;
    if (getgrouplist(name, group, theirs, &theirs_count) < 0) return -E2BIG;
    int failure = set_groups(theirs_count, theirs);
    if (failure < 0) return failure;
    gid_t own_group = (gid_t)setfsgid(group);
    uid_t own_user = (uid_t)setfsuid(user);
    /* setfsuid reports no error: an invalid number changes nothing and tells what is set. */
    int is_changed = (uid_t)setfsuid(-1) == user && (gid_t)setfsgid(-1) == group;
    int file = is_changed ? open(path, flags | O_CLOEXEC) : -1;
    int result = file >= 0 ? file : is_changed ? -errno : -EPERM;
    setfsuid(own_user);
    setfsgid(own_group);
    /* A thread that went on as somebody else would do everything else as them. */
    if (set_groups(own_count, own) < 0 || (uid_t)setfsuid(-1) != own_user) abort();
    return result;
}

int clinux_try_space(const char *folder, int64_t bytes) {
    int file = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (file < 0) return -errno;
    int failure = fallocate(file, 0, 0, bytes) < 0 ? -errno : 0;
    close(file);
    return failure;
}
