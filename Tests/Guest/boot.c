// What an init has to do before and after its work: kernel file systems, modules, threads, power.
#define _GNU_SOURCE
#include "workload.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/input.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/klog.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { THREAD_STACK = 256 << 10, MAX_BUTTONS = 8 };

void mount_kernel_file_systems(void)
{
    static const char *const all[][2] = {{"proc", "/proc"}, {"sysfs", "/sys"}, {"devtmpfs", "/dev"}};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        mkdir(all[i][1], 0755);
        mount(all[i][0], all[i][1], all[i][0], 0, NULL);  // a failure shows in the next step, which can say so
    }
    klogctl(8, NULL, 4);  // errors and worse only: kernel messages would cut our lines in two
}

/// Loads the modules named in the list, one path a line, in that order.
void load_modules(const char *list)
{
    FILE *file = fopen(list, "re");
    char path[512];
    if (!file)
        return;  // a kernel with all drivers built in needs none
    while (fgets(path, sizeof path, file)) {
        path[strcspn(path, "\r\n")] = 0;
        if (!path[0] || path[0] == '#')
            continue;
        int module = open(path, O_RDONLY | O_CLOEXEC);
        if (module < 0) {
            say("ERROR module %s: %s", path, strerror(errno));
            continue;
        }
        // EEXIST: built in or loaded. ENODEV: this CPU lacks what the module accelerates, the generic one does the work.
        if (syscall(SYS_finit_module, module, "", 0) != 0 && errno != EEXIST && errno != ENODEV)
            say("ERROR module %s: %s", path, strerror(errno));
        close(module);
    }
    fclose(file);
}

/// Drivers may probe after their module has loaded, so a device file appears a little later.
bool wait_for_path(const char *path, int milliseconds)
{
    const struct timespec step = {0, 10 * 1000000};
    for (int waited = 0; access(path, F_OK) != 0; waited += 10) {
        if (waited >= milliseconds)
            return false;
        nanosleep(&step, NULL);
    }
    return true;
}

void start_thread(const char *name, void *(*body)(void *), void *argument)
{
    pthread_t thread;
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, THREAD_STACK);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    int error = pthread_create(&thread, &attributes, body, argument);
    if (error)
        fail("cannot start the %s thread: %s", name, strerror(error));
    pthread_attr_destroy(&attributes);
}

static void *watch_button(void *argument)
{
    struct input_event event;
    int file = (int)(intptr_t)argument;
    while (read(file, &event, sizeof event) == sizeof event)
        if (event.type == EV_KEY && event.code == KEY_POWER && event.value == 1) {
            say("power button");
            power_off();
        }
    close(file);
    return NULL;
}

/// Powers off when the ACPI power button is pressed (QEMU: system_powerdown), as a guest with an operating system does.
void start_power_button(void)
{
    for (int number = 0; number < MAX_BUTTONS; number++) {
        char path[64];
        snprintf(path, sizeof path, "/dev/input/event%d", number);
        int file = open(path, O_RDONLY | O_CLOEXEC);
        if (file >= 0)
            start_thread("power button", watch_button, (void *)(intptr_t)file);
    }
}

static _Noreturn void shut_down(const char *word, int how)
{
    static atomic_flag begun = ATOMIC_FLAG_INIT;
    while (atomic_flag_test_and_set(&begun))
        pause();
    stop_disk_log();
    say("%s", word);
    sync();
    reboot(how);
    for (;;)
        pause();
}

_Noreturn void power_off(void)
{
    shut_down("powering off", RB_POWER_OFF);
}

_Noreturn void boot_again(void)
{
    shut_down("booting again", RB_AUTOBOOT);
}
