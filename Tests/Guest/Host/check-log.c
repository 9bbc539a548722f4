// Host-side checker of the guest's disk log: check-log FILE [AT-LEAST]
//
// FILE is livemig.log taken out of the image (debugfs -R "dump /livemig.log FILE" IMAGE), its layout is in ../workload.c.
// Prints "records=N first-beat=A last-beat=B". Fails (1) on a record that is not the one that belongs at its place, unless all
// that follows it is beyond AT-LEAST, the last count the guest reported: those were never promised. Fails if fewer than
// AT-LEAST are there.
#include "../logrecord.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

int main(int count, char **arguments)
{
    if (count < 2 || count > 3) {
        fprintf(stderr, "usage: check-log FILE [AT-LEAST]\n");
        return 2;
    }
    uint64_t promised = count == 3 ? strtoull(arguments[2], NULL, 10) : UINT64_MAX;
    FILE *file = fopen(arguments[1], "rb");
    if (!file) {
        perror(arguments[1]);
        return 2;
    }
    struct log_record record;
    uint64_t good = 0, first = 0, last = 0, previous_wall = 0;
    size_t got;
    while ((got = fread(&record, 1, sizeof record, file)) == sizeof record && record_is_valid(&record, good + 1)) {
        first = good ? first : record.beat;
        if (record.beat < last)
            fprintf(stderr, "record %" PRIu64 ": beat went back from %" PRIu64 " to %" PRIu64 " (another boot?)\n", good + 1, last,
                    record.beat);
        last = record.beat;
        previous_wall = record.wall_ns;
        good++;
    }
    fclose(file);
    printf("records=%" PRIu64 " first-beat=%" PRIu64 " last-beat=%" PRIu64 " last-wall-ns=%" PRIu64 "\n", good, first, last,
           previous_wall);
    if (got && (promised == UINT64_MAX || good < promised)) {
        fprintf(stderr, "record %" PRIu64 " is not the one that belongs there\n", good + 1);
        return 1;
    }
    if (promised != UINT64_MAX && good < promised) {
        fprintf(stderr, "%" PRIu64 " records were promised\n", promised);
        return 1;
    }
    return 0;
}
