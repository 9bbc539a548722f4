#include <xxhash.h>
#if defined(__x86_64__)
/* Redefines XXH3's names as macros of versions chosen by the processor's vector width, which Swift
 * does not see: hence the wrapper below. */
#include <xxh_x86dispatch.h>
#endif

static inline XXH64_hash_t livemig_xxh3_64(const void *bytes, size_t length, XXH64_hash_t seed) {
    return XXH3_64bits_withSeed(bytes, length, seed);
}
