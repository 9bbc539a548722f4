/* System calls and kernel structures that Swift cannot reach: variadic ioctls, ancillary data, and
 * kernel interfaces newer than the headers of Debian 12 (linux-libc-dev 6.1).
 * Every function returns a value >= 0, or the negated errno. */
#ifndef CLINUX_H
#define CLINUX_H

#include "descriptors.h"
#include "dirty_tracking.h"
#include "file_attributes.h"
#include "guest_memory.h"
#include "memory_faults.h"
#include "network.h"
#include "preload_protocol.h"
#include "processes.h"
#include "user_access.h"

#endif
