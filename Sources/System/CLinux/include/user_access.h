/* Opening files with the rights of another user, for one call of one thread (setfsuid(2), credentials(7)). */
#ifndef CLINUX_USER_ACCESS_H
#define CLINUX_USER_ACCESS_H

#include <stdint.h>

/* open(2) with the file system user, group and groups of the user `name`; the capabilities that
 * override permissions are off meanwhile. -EPERM where this process cannot become somebody else. */
int clinux_open_as(const char *_Nonnull name, uint32_t user, uint32_t group,
                   const char *_Nonnull path, int flags);

/* Reserves room for a file that has no name (open(2), O_TMPFILE; fallocate(2)) and gives it back:
 * 0 where it can be had. */
int clinux_try_space(const char *_Nonnull folder, int64_t bytes);

/* ST_NOEXEC of a mounted file system (statvfs(3)), a GNU extension. */
#define clinux_no_execution 8

#endif
