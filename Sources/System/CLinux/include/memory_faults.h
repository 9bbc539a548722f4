/* Surviving a bus error in mapped memory, as poisoned memory raises it (sigaction(2), SIGBUS).
 *
 * The page that cannot be read is replaced by one of zeros, private to this process, and noted: the
 * thread goes on, and whoever uses the memory asks afterwards whether it was whole. */
#ifndef CLINUX_MEMORY_FAULTS_H
#define CLINUX_MEMORY_FAULTS_H

#include <stddef.h>
#include <stdint.h>

/* Watches a mapping; returns a number to ask by, -ENOSPC when too many are watched. */
int clinux_faults_watch(const void *_Nonnull start, size_t length);

/* Ends it, before the mapping goes. */
void clinux_faults_ignore(int number);

/* The offset of the first page found faulty, -1 when there is none. */
int64_t clinux_faults_first(int number);

#endif
