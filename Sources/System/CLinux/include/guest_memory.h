/* Sealed memory files (memfd_create(2), F_ADD_SEALS in fcntl(2)) that hold guest RAM. */
#ifndef CLINUX_GUEST_MEMORY_H
#define CLINUX_GUEST_MEMORY_H

#include <stdint.h>

/* A memory file of exactly `size` bytes that nobody can shrink or grow. */
int clinux_memory_create(const char *_Nonnull name, uint64_t size);

/* SEEK_DATA and SEEK_HOLE of lseek(2), GNU extensions. */
#define clinux_seek_data 3
#define clinux_seek_hole 4

/* Whether the file is sealed against shrinking and growing: 1 or 0. */
int clinux_memory_is_sealed(int descriptor);

/* Frees the pages of a range, which then read as zeros (fallocate(2), FALLOC_FL_PUNCH_HOLE). */
int clinux_memory_punch(int descriptor, uint64_t offset, uint64_t length);

#endif
