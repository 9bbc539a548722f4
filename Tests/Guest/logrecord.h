// The record of the guest's disk log, shared by the guest and the host-side checker. Layout: see workload.c.
#ifndef LIVEMIG_GUEST_LOGRECORD_H
#define LIVEMIG_GUEST_LOGRECORD_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define LOG_MAGIC "LMLOGREC"

struct log_record {
    char magic[8];
    uint64_t sequence;
    uint64_t wall_ns;
    uint64_t beat;
    uint8_t pattern[28];
    uint32_t crc32;
};
_Static_assert(sizeof(struct log_record) == 64, "the record is 64 bytes on disk");
_Static_assert(offsetof(struct log_record, crc32) == 60, "the checksum is the last field");

/// CRC-32 as in IEEE 802.3 and zlib: reflected, polynomial 0xEDB88320.
static inline uint32_t crc32_of(const void *bytes, size_t count)
{
    const uint8_t *at = bytes;
    uint32_t crc = 0xFFFFFFFFu;
    for (size_t i = 0; i < count; i++) {
        crc ^= at[i];
        for (int bit = 0; bit < 8; bit++)
            crc = (crc >> 1) ^ (0xEDB88320u & (0u - (crc & 1u)));
    }
    return ~crc;
}

/// Fills in magic, pattern and checksum of a record whose sequence, wall_ns and beat are set.
static inline void seal_record(struct log_record *record)
{
    memcpy(record->magic, LOG_MAGIC, 8);
    for (size_t i = 0; i < sizeof record->pattern; i++)
        record->pattern[i] = (uint8_t)(record->sequence + i);
    record->crc32 = crc32_of(record, offsetof(struct log_record, crc32));
}

/// Whether the record is whole and is the one that belongs at this place of the file.
static inline int record_is_valid(const struct log_record *record, uint64_t sequence)
{
    struct log_record expected = *record;
    expected.sequence = sequence;
    seal_record(&expected);
    return memcmp(&expected, record, sizeof expected) == 0;
}

#endif
