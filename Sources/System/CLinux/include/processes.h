/* Process descriptors (pidfd_open(2), pidfd_send_signal(2)) and limits of the own process. */
#ifndef CLINUX_PROCESSES_H
#define CLINUX_PROCESSES_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* POSIX_SPAWN_SETSID of posix_spawnattr_setflags(3), a GNU extension. */
#define clinux_spawn_new_session 0x80

/* The folder that a program starts in (posix_spawn_file_actions_addchdir_np(3), a GNU extension); the
 * first argument is a posix_spawn_file_actions_t. Returns an error number. */
int clinux_spawn_in(void *_Nonnull actions, const char *_Nonnull folder);

int clinux_pidfd_open(pid_t process);
int clinux_pidfd_signal(int pidfd, int signal);

/* No core dump of this process and those it starts (setrlimit(2), RLIMIT_CORE). A handler that
 * core_pattern pipes to is not bound by it (core(5)). */
int clinux_forbid_core_dumps(void);

/* No core dump of this process by any handler, and no look at its memory by others of its user
 * (prctl(2), PR_SET_DUMPABLE). A program that it starts is as others again (execve(2)): the page
 * tables of a hypervisor stay readable for its user. */
int clinux_hide_memory(void);

/* No program that is started from here on gains privileges by its file (prctl(2),
 * PR_SET_NO_NEW_PRIVS). */
int clinux_forbid_new_privileges(void);

/* Gives the signals of a crash their default action: Swift's runtime has its handlers installed
 * before main, whose report shows registers and stacks. */
void clinux_crash_silently(void);

/* Empties the environment but for a fixed PATH and LANG; before other threads start. */
int clinux_reset_environment(void);

/* Closes every descriptor from a number on (close_range(2)). */
int clinux_close_from(int first);

/* The path of the running program (proc(5), /proc/self/exe), without a terminating zero. */
int clinux_own_program(void *_Nullable path, size_t capacity);

/* Names the calling thread; the kernel keeps 15 bytes. */
void clinux_name_thread(const char *_Nonnull name);

/* The signals in the mask, delivered as reads of a descriptor (signalfd(2)); blocks them for this
 * thread and those it starts. */
int clinux_signal_descriptor(const int *_Nonnull signals, int count);

/* A timer on CLOCK_MONOTONIC (timerfd_create(2)); 0 nanoseconds disarms it. */
int clinux_timer_create(void);
int clinux_timer_set(int timer, uint64_t nanoseconds);

/* Waits for a child to end: its pid when it ended, 0 when it has not and options say not to wait.
 * *status becomes the exit code, or 128 + the number of the signal that ended it. */
int clinux_wait(pid_t process, int options, int *_Nonnull status);

#endif
