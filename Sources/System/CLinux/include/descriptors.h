/* Passing descriptors over Unix sockets (unix(7), SCM_RIGHTS) and asking who is at the other end. */
#ifndef CLINUX_DESCRIPTORS_H
#define CLINUX_DESCRIPTORS_H

#include <stddef.h>
#include <stdint.h>

/* The most descriptors one message carries here; the kernel's own limit is 253 (SCM_MAX_FD). */
#define clinux_descriptors_max 8

int clinux_send(int socket, const void *_Nullable bytes, size_t length,
                const int *_Nullable descriptors, size_t count);

/* Receives one message and its descriptors, all close-on-exec; sets *count to how many came.
 * A truncated message or truncated descriptors are -EMSGSIZE, with what came closed again. */
int clinux_receive(int socket, void *_Nonnull bytes, size_t capacity, int *_Nonnull descriptors,
                   size_t *_Nonnull count);

/* pipe2(2) and accept4(2) with close-on-exec, GNU extensions that Swift's C library module hides. */
int clinux_pipe(int ends[_Nonnull 2]);
int clinux_accept(int listener);

/* O_PATH (open(2)): a file as its name means it, not opened; a GNU extension as those above. */
#define clinux_open_path 010000000

/* Lets a pipe hold more (fcntl(2), F_SETPIPE_SZ); returns its capacity, -EBADF for no pipe. */
int clinux_widen_pipe(int descriptor, int capacity);

/* The process at the other end of a connected socket, as of connecting (SO_PEERCRED). */
int clinux_peer_process(int socket);

/* The effective user of the process that connected (SO_PEERCRED). */
int clinux_peer_user(int socket, uint32_t *_Nonnull user);

/* Whether another open file description holds a lock on some bytes of a file (fcntl(2), F_OFD_GETLK):
 * 1 or 0. */
int clinux_is_locked(int file, int64_t start, int64_t length);

/* The magic number of the file system that a path is on (statfs(2)), which Swift's view of the C library leaves out. */
int clinux_file_system(const char *_Nonnull path, uint32_t *_Nonnull magic);

#endif
