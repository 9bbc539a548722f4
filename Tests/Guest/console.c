// The serial console: whole lines out, typed lines in.
#define _GNU_SOURCE
#include "workload.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

enum { LINE_BYTES = 512 };

static int console = 2;
static pthread_mutex_t output_lock = PTHREAD_MUTEX_INITIALIZER;

void open_console(void)
{
    int file = open("/dev/ttyS0", O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (file < 0)
        file = open("/dev/console", O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (file >= 0)
        console = file;
    struct termios mode;
    if (tcgetattr(console, &mode) == 0) {
        mode.c_lflag = (mode.c_lflag | ICANON) & ~(tcflag_t)(ECHO | ISIG);  // an echo would land inside our own lines
        mode.c_iflag |= ICRNL;
        tcsetattr(console, TCSANOW, &mode);
    }
}

static void write_line(const char *format, va_list arguments)
{
    char line[LINE_BYTES] = "LIVEMIG-GUEST ";
    size_t used = strlen(line);
    int count = vsnprintf(line + used, sizeof line - used - 1, format, arguments);
    used += count < 0 ? 0 : (size_t)count < sizeof line - used - 1 ? (size_t)count : sizeof line - used - 2;
    line[used++] = '\n';
    pthread_mutex_lock(&output_lock);
    for (size_t done = 0; done < used;) {
        ssize_t written = write(console, line + done, used - done);
        if (written <= 0)
            break;
        done += (size_t)written;
    }
    pthread_mutex_unlock(&output_lock);
}

/// Prints one line, never mixed with another thread's.
void say(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    write_line(format, arguments);
    va_end(arguments);
}

/// Says what is wrong and powers off: a guest that cannot do its work must not look like one that does.
_Noreturn void fail(const char *format, ...)
{
    char text[LINE_BYTES];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    say("ERROR %s", text);
    if (getpid() != 1)
        _exit(2);
    tcdrain(console);
    power_off();
}

/// The text of the heartbeat as it stands now.
size_t beat_line(char *out, size_t size)
{
    size_t used = (size_t)snprintf(out, size, "beat=%llu checked=%llu writes=%llu corrupt=%llu",
                                   atomic_load(&progress.beat), atomic_load(&progress.checked_pages),
                                   atomic_load(&progress.written_pages) * PAGE_BYTES / 1000000, atomic_load(&progress.corrupt));
    if (settings.disk[0])
        used += (size_t)snprintf(out + used, size - used, " log=%llu", atomic_load(&progress.log_records));
    int error = atomic_load(&progress.log_errno);
    if (error)
        used += (size_t)snprintf(out + used, size - used, " log-error=%s", strerrorname_np(error));
    return used;
}

static void *read_for_ever(void *unused)
{
    (void)unused;
    char line[256];
    ssize_t count;
    while ((count = read(console, line, sizeof line - 1)) >= 0) {
        line[count] = 0;
        line[strcspn(line, "\r\n")] = 0;
        for (char *at = line; *at; at++)
            if ((unsigned char)*at < ' ' || *at == 0x7F)
                *at = '?';
        if (!line[0])
            continue;
        say("heard: %s", line);
        if (strcmp(line, "poweroff") == 0)
            power_off();
        if (strcmp(line, "reboot") == 0)
            boot_again();
    }
    say("ERROR the console cannot be read");
    return NULL;
}

void start_console_reader(void)
{
    start_thread("console", read_for_ever, NULL);
}
