// The disk log: records that are durable when they are counted. The layout of a record is described in workload.c.
#define _GNU_SOURCE
#include "logrecord.h"
#include "workload.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { PERIOD_NS = 20 * 1000000, DEVICE_WAIT_MS = 5000 };

static const char MOUNT_POINT[] = "/disk";
static const char LOG_PATH[] = "/disk/livemig.log";
static atomic_bool stopping, running;
static int log_file = -1;

/// Walks an existing log and returns the number of good records from its start; what follows them is cut off.
static uint64_t verify_log(void)
{
    struct log_record record;
    uint64_t sequence = 0;
    while (pread(log_file, &record, sizeof record, (off_t)(sequence * sizeof record)) == sizeof record &&
           record_is_valid(&record, sequence + 1))
        sequence++;
    struct stat status;
    if (fstat(log_file, &status) == 0 && (uint64_t)status.st_size != sequence * sizeof record) {
        say("ERROR log ends in %lld bytes that are not records, after record %llu",
            (long long)status.st_size - (long long)(sequence * sizeof record), (unsigned long long)sequence);
        if (ftruncate(log_file, (off_t)(sequence * sizeof record)) != 0)
            say("ERROR log cannot be cut: %s", strerrorname_np(errno));
    }
    return sequence;
}

/// Appends one record and makes it durable. After a failed fsync nothing can be said about the file: logging ends there.
static int append_record(uint64_t sequence)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    struct log_record record = {
        .sequence = sequence,
        .wall_ns = (uint64_t)now.tv_sec * 1000000000ull + (uint64_t)now.tv_nsec,
        .beat = atomic_load(&progress.beat),
    };
    seal_record(&record);
    ssize_t written = pwrite(log_file, &record, sizeof record, (off_t)((sequence - 1) * sizeof record));
    if (written != sizeof record)
        return written < 0 ? errno : EIO;
    return fsync(log_file) == 0 ? 0 : errno;
}

/// Waits for the next turn; turns that a slow disk made impossible are left out.
static void wait_for_next(struct timespec *next)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    next->tv_nsec += PERIOD_NS;
    if (next->tv_nsec >= 1000000000) {
        next->tv_nsec -= 1000000000;
        next->tv_sec++;
    }
    if (next->tv_sec < now.tv_sec || (next->tv_sec == now.tv_sec && next->tv_nsec < now.tv_nsec))
        *next = now;
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, next, NULL);
}

static void *log_for_ever(void *unused)
{
    (void)unused;
    struct timespec next;
    clock_gettime(CLOCK_MONOTONIC, &next);
    while (!atomic_load(&stopping)) {
        uint64_t sequence = atomic_load(&progress.log_records) + 1;
        int error = append_record(sequence);
        if (error) {
            atomic_store(&progress.log_errno, error);
            say("ERROR log record %llu: %s", (unsigned long long)sequence, strerrorname_np(error));
            break;
        }
        atomic_store(&progress.log_records, sequence);
        wait_for_next(&next);
    }
    atomic_store(&running, false);
    return NULL;
}

static void disk_failed(const char *what)
{
    atomic_store(&progress.log_errno, errno);
    say("ERROR disk %s: %s: %s", settings.disk, what, strerrorname_np(errno));
}

void start_disk_log(void)
{
    if (!wait_for_path(settings.disk, DEVICE_WAIT_MS)) {
        errno = ENOENT;
        disk_failed("no such device; is it attached, and is its driver in /modules.list");
        return;
    }
    mkdir(MOUNT_POINT, 0755);
    if (mount(settings.disk, MOUNT_POINT, "ext4", MS_NOATIME, "errors=remount-ro") != 0) {
        disk_failed("cannot mount it as ext4");
        return;
    }
    log_file = open(LOG_PATH, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    int folder = open(MOUNT_POINT, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (log_file < 0 || folder < 0 || fsync(folder) != 0) {
        disk_failed("cannot create the log");
        return;
    }
    close(folder);
    uint64_t found = verify_log();
    atomic_store(&progress.log_records, found);
    say("log found=%llu", (unsigned long long)found);
    atomic_store(&running, true);
    start_thread("log", log_for_ever, NULL);
}

/// Ends logging after the record in flight and unmounts, so that the image is clean.
void stop_disk_log(void)
{
    const struct timespec step = {0, 1000000};
    atomic_store(&stopping, true);
    while (atomic_load(&running))
        nanosleep(&step, NULL);
    if (log_file < 0)
        return;
    close(log_file);
    if (umount(MOUNT_POINT) != 0)
        say("ERROR disk %s: cannot unmount it: %s", settings.disk, strerrorname_np(errno));
    else
        say("log closed=%llu", (unsigned long long)atomic_load(&progress.log_records));
}
