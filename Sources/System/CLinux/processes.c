#define _GNU_SOURCE
#include "processes.h"

#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

_Static_assert(clinux_spawn_new_session == POSIX_SPAWN_SETSID, "POSIX_SPAWN_SETSID");

int clinux_spawn_in(void *actions, const char *folder) {
    return posix_spawn_file_actions_addchdir_np(actions, folder);
}

int clinux_pidfd_open(pid_t process) {
    long result = syscall(SYS_pidfd_open, process, 0);
    return result < 0 ? -errno : (int)result;
}

int clinux_pidfd_signal(int pidfd, int signal) {
    return syscall(SYS_pidfd_send_signal, pidfd, signal, (void *)0, 0) < 0 ? -errno : 0;
}

int clinux_forbid_core_dumps(void) {
    struct rlimit none = {0, 0};
    return setrlimit(RLIMIT_CORE, &none) < 0 ? -errno : 0;
}

int clinux_hide_memory(void) { return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 ? -errno : 0; }

int clinux_forbid_new_privileges(void) {
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? -errno : 0;
}

void clinux_crash_silently(void) {
    static const int crashes[] = {SIGQUIT, SIGABRT, SIGBUS, SIGFPE,
                                  SIGILL,  SIGSEGV, SIGTRAP, SIGSYS};
    for (size_t i = 0; i < sizeof crashes / sizeof *crashes; i++) signal(crashes[i], SIG_DFL);
}

int clinux_reset_environment(void) {
    if (clearenv() != 0) return -ENOMEM;
    if (setenv("PATH", "/usr/sbin:/usr/bin:/sbin:/bin", 1) < 0) return -errno;
    return setenv("LANG", "C.UTF-8", 1) < 0 ? -errno : 0;
}

int clinux_close_from(int first) {
    return syscall(SYS_close_range, first, ~0u, 0) < 0 ? -errno : 0;
}

int clinux_own_program(void *path, size_t capacity) {
    ssize_t length = readlink("/proc/self/exe", path, capacity);
    return length < 0 ? -errno : (int)length;
}

void clinux_name_thread(const char *name) { prctl(PR_SET_NAME, name, 0, 0, 0); }

int clinux_signal_descriptor(const int *signals, int count) {
    sigset_t mask;
    sigemptyset(&mask);
    for (int i = 0; i < count; i++) sigaddset(&mask, signals[i]);
    int failure = pthread_sigmask(SIG_BLOCK, &mask, 0);
    if (failure) return -failure;
    int descriptor = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
    return descriptor < 0 ? -errno : descriptor;
}

int clinux_timer_create(void) {
    int timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    return timer < 0 ? -errno : timer;
}

int clinux_timer_set(int timer, uint64_t nanoseconds) {
    struct itimerspec when = {
        .it_value = {(time_t)(nanoseconds / 1000000000u), (long)(nanoseconds % 1000000000u)}};
    return timerfd_settime(timer, 0, &when, 0) < 0 ? -errno : 0;
}

int clinux_wait(pid_t process, int options, int *status) {
    int raw = 0;
    pid_t ended;
    do ended = waitpid(process, &raw, options);
    while (ended < 0 && errno == EINTR);
    if (ended < 0) return -errno;
    *status = WIFSIGNALED(raw) ? 128 + WTERMSIG(raw) : WEXITSTATUS(raw);
    return ended;
}
