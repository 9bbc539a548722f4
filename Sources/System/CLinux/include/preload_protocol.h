/* The agreement between the library that is preloaded into a hypervisor and the agent that asks it.
 *
 * The library listens on a Unix socket of sequenced packets. A request is one byte, with an open
 * /dev/userfaultfd as ancillary data where the hypervisor may not call userfaultfd(2) itself. The
 * reply is one struct guestmemory_reply, with the descriptor asked for as ancillary data on
 * success. */
#ifndef CLINUX_PRELOAD_PROTOCOL_H
#define CLINUX_PRELOAD_PROTOCOL_H

#include <stdint.h>

/* Where the library listens, and the number of the inherited descriptor that holds guest RAM. */
#define GUESTMEMORY_SOCKET "LIVEMIG_MEMORY_SOCKET"
#define GUESTMEMORY_DESCRIPTOR "LIVEMIG_MEMORY_DESCRIPTOR"

/* The number of an inherited pipe from which the library reads one byte before the hypervisor's own
 * code runs: whoever started it has written down by then which process it is. */
#define GUESTMEMORY_GATE "LIVEMIG_MEMORY_GATE"
/* Set where other processes of the hypervisor's user shall not look at it (prctl(2),
 * PR_SET_DUMPABLE): they may be hypervisors of other guests. */
#define GUESTMEMORY_PRIVATE "LIVEMIG_MEMORY_PRIVATE"

/* Start write tracking of guest RAM; it ends when every copy of the returned descriptor is closed. */
#define GUESTMEMORY_TRACK 't'

/* Hand out the memory file that guest RAM is mapped from. */
#define GUESTMEMORY_FILE 'm'

struct guestmemory_reply {
    int32_t failure;  /* 0, or an errno */
    uint32_t process; /* the hypervisor's pid as it sees itself */
    uint64_t address; /* where guest RAM is mapped there */
    uint64_t length;
};

#endif
