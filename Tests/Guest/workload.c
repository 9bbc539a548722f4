// The guest that livemig's tests, demo and benchmarks move: PID 1 of an initramfs, no shell, no other program.
//
// It keeps memory, disk and network busy and checks all of it all the time, so that a page that was lost, went stale or
// was torn by a migration is reported by the guest itself, on its serial console (ttyS0).
//
// Settings, on the kernel command line, all optional; an unknown lm.* key or a bad value is an error:
//   lm.fill=MiB       memory filled at the start                                  64
//   lm.ws=MiB         working set: the first part of the fill that is rewritten   16, at most lm.fill
//   lm.rate=MB/s      rate of rewriting, in 10^6 bytes of pages per second        0: nothing is rewritten
//   lm.content=KIND   zero | random | text | mixed (50 % zero, 40 % text, 10 % random)   mixed
//   lm.change=HOW     page: a rewrite changes the whole page; slice: one eighth of it    page
//   lm.check=PERCENT  share of one CPU that the checker may use, 0: no checker    25
//   lm.beat=ms        period of the heartbeat line                                500
//   lm.disk=DEVICE    ext4 file system to write the log to, such as /dev/vda      none
//   lm.net=ADDR/BITS  IPv4 address of eth0; starts the echo server on port 7000   none
//
// Lines on ttyS0 (all of them begin with LIVEMIG-GUEST):
//   ready fill=MiB ws=MiB rate=MB/s heartbeat=0xGPA     once, when memory is filled
//   beat=N checked=PAGES writes=MB corrupt=0 [log=N [log-error=TEXT]]    N grows by exactly 1
//   CORRUPT page=P expected=… found=… kind=… gpa=0x…    and again after every beat, for as long as the guest lives
//   ERROR …                                             a part that does not work; settings and memory errors power off
//   heard: TEXT                                         for every line typed on ttyS0; "poweroff" powers off, "reboot" boots again
// kind is lost (all zero), stale (an older generation), newer, torn (right header, wrong content), foreign (not a page of this
// number), ledger (the two entries of the generation ledger differ) or count (a ledger entry does not add up).
//
// Page of the fill area, 512 little-endian 64-bit words: "LMPAGE01", page number, generation, checksum, then content that
// is a function of page number, generation and settings alone. Pages whose turn it is to be zero hold 4096 zero bytes.
//
// Heartbeat page, one page of guest RAM at the guest-physical address in the ready line, for an observer outside:
//   0 "LIVEMIGHEARTBEAT" · 16 counter, +1 every 0.5 ms · 24 CLOCK_MONOTONIC ns of that increment ·
//   32 the counter again, written last · 40 pages rewritten so far (all 64-bit little-endian)
//
// Disk log: the file /livemig.log of the file system; 64-byte records, record with sequence S at byte (S-1)*64, S from 1:
//   0 "LMLOGREC" · 8 sequence · 16 CLOCK_REALTIME ns · 24 beat at that time · 32 28 bytes, byte i = (sequence + i) mod 256 ·
//   60 CRC-32 (IEEE 802.3, as zlib) of bytes 0…59 (integers little-endian)
// A record counts in log=N once fsync has returned for it. After a power loss the file may end in records beyond the last
// counted one, the last of them torn; a counted record that is missing or bad means a lost write. A log found at the start is
// checked and continued.
//
// Echo server: every byte comes back, except that a line "beat" is answered with the current heartbeat line.
#define _GNU_SOURCE
#include "workload.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

struct settings settings;
struct progress progress;

/// Prints the heartbeat for ever. A late beat is not made up for: the next one comes one period later.
static _Noreturn void beat_for_ever(void)
{
    const struct timespec period = {(time_t)(settings.beat_ms / 1000), (long)(settings.beat_ms % 1000) * 1000000};
    for (;;) {
        char line[256];
        atomic_fetch_add(&progress.beat, 1);
        beat_line(line, sizeof line);
        say("%s", line);
        repeat_corruption();
        clock_nanosleep(CLOCK_MONOTONIC, 0, &period, NULL);
    }
}

int main(void)
{
    mount_kernel_file_systems();
    open_console();
    if (getpid() != 1)
        fail("this program is the init of a guest, not a command");
    read_settings("/proc/cmdline");
    load_modules("/modules.list");
    fill_memory();
    uint64_t heartbeat = start_pulse();
    start_console_reader();
    start_power_button();
    if (settings.net[0])
        start_network();
    if (settings.disk[0])
        start_disk_log();
    start_memory_threads();
    say("ready fill=%llu ws=%llu rate=%llu heartbeat=0x%llx", (unsigned long long)settings.fill_mib,
        (unsigned long long)settings.ws_mib, (unsigned long long)settings.rate_mb, (unsigned long long)heartbeat);
    beat_for_ever();
}
