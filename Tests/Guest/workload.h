// What the parts of the guest program share. The program itself is described in workload.c.
#ifndef LIVEMIG_GUEST_WORKLOAD_H
#define LIVEMIG_GUEST_WORKLOAD_H

#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PAGE_BYTES = 4096, PAGE_WORDS = PAGE_BYTES / 8, NAME_BYTES = 128 };

/// What the pages of the fill area hold.
enum content { CONTENT_ZERO, CONTENT_RANDOM, CONTENT_TEXT, CONTENT_MIXED };

/// How much of a page a rewrite changes: all of it, or one eighth.
enum change { CHANGE_PAGE, CHANGE_SLICE };

/// The settings of one run, read from the kernel command line.
struct settings {
    uint64_t fill_mib;       // lm.fill, 1 … 1048576
    uint64_t ws_mib;         // lm.ws, at most lm.fill
    uint64_t rate_mb;        // lm.rate, MB/s (10^6 bytes of rewritten pages), 0: no writer
    uint64_t beat_ms;        // lm.beat, 10 … 60000
    uint64_t check_percent;  // lm.check, share of one CPU the checker may use, 0 … 100
    enum content content;    // lm.content
    enum change change;      // lm.change
    char disk[NAME_BYTES];   // lm.disk, empty: none
    char net[NAME_BYTES];    // lm.net, empty: none
};

/// What the heartbeat reports; every field has one writer or is added to atomically.
struct progress {
    atomic_ullong beat;
    atomic_ullong checked_pages;
    atomic_ullong written_pages;
    atomic_ullong corrupt;
    atomic_ullong log_records;
    atomic_int log_errno;
};

extern struct settings settings;
extern struct progress progress;

// settings.c
void read_settings(const char *path);

// boot.c
void mount_kernel_file_systems(void);
void load_modules(const char *list);
bool wait_for_path(const char *path, int milliseconds);
void start_thread(const char *name, void *(*body)(void *), void *argument);
void start_power_button(void);
_Noreturn void power_off(void);
_Noreturn void boot_again(void);

// console.c
void open_console(void);
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
_Noreturn void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
void start_console_reader(void);
size_t beat_line(char *out, size_t size);

// content.c
enum content page_kind(uint64_t page, uint64_t generation);
void make_page(uint64_t page, uint64_t generation, uint64_t out[PAGE_WORDS]);

// memory.c
void fill_memory(void);
void start_memory_threads(void);
void repeat_corruption(void);
uint64_t guest_physical(const void *address);
void *map_memory(uint64_t bytes, const char *what);

// pulse.c
uint64_t start_pulse(void);

// disklog.c
void start_disk_log(void);
void stop_disk_log(void);

// network.c
void start_network(void);

#endif
