// What a page holds: a function of its number, its generation and the settings, and of nothing else.
#include "workload.h"

enum { SLOTS = 8, SLOT_WORDS = PAGE_WORDS / SLOTS, HEADER_WORDS = 4 };

/// "LMPAGE01" as a little-endian word.
static const uint64_t PAGE_MAGIC = 0x3130454741504D4Cull;

/// Text to take pieces of eight characters from; made of them, a page compresses about as English and program text do.
static const union {
    char bytes[520];
    uint64_t words[65];
} TEXT = {
    "the pages of the guest are dirty at the end of round one; the memory of the host, network and disk are not. "
    "int main(void)\n{\n    for (int i = 0; i < count; i++)\n        if (page == NULL)\n            return 0;\n}\n"
    "<domain type='kvm'>\n  <name>web1</name>\n/usr/lib/x86_64-linux-gnu/libc.so.6\n\tmov %rax, (%rsp)\n\tcall function\n"
    "2024-01-01T00:00:00.000 INFO server: request from 10.0.0.1 took 12 ms, status 200 OK\n"
    "WARN queue length is 1024, limit is 4096\nERROR: connection closed by peer\nstruct page_descriptor *next;\n    "};

static uint64_t mix(uint64_t value)
{
    value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9ull;
    value = (value ^ (value >> 27)) * 0x94D049BB133111EBull;
    return value ^ (value >> 31);
}

/// The kind of a page in one generation. One page in eight is zero in every odd generation: data → zero → data.
enum content page_kind(uint64_t page, uint64_t generation)
{
    uint64_t era = settings.change == CHANGE_SLICE ? generation / SLOTS : generation;
    uint64_t draw = mix(page * 0x9E3779B97F4A7C15ull + era) % 10;
    switch (settings.content) {
    case CONTENT_ZERO:
        return CONTENT_ZERO;
    case CONTENT_MIXED:
        return draw < 5 ? CONTENT_ZERO : draw < 9 ? CONTENT_TEXT : CONTENT_RANDOM;
    default:
        return page % 8 == 5 && generation % 2 == 1 ? CONTENT_ZERO : settings.content;
    }
}

static void make_random(uint64_t seed, uint64_t *out)
{
    for (int i = 0; i < SLOT_WORDS; i++) {
        seed = seed * 6364136223846793005ull + 1442695040888963407ull;
        out[i] = seed ^ (seed >> 32);
    }
}

static void make_text(uint64_t seed, uint64_t *out)
{
    uint64_t bits = 0;
    for (int i = 0; i < SLOT_WORDS; i++, bits >>= 6) {
        if (i % 10 == 0)
            bits = seed = mix(seed + 0x9E3779B97F4A7C15ull);
        out[i] = TEXT.words[bits & 63];
    }
}

static void make_zero(uint64_t *out, int words)
{
    for (int i = 0; i < words; i++)
        out[i] = 0;
}

/// The generation that last changed one slot of the page.
static uint64_t slot_generation(uint64_t slot, uint64_t generation)
{
    if (settings.change == CHANGE_PAGE)
        return generation;
    uint64_t age = (generation + SLOTS - slot) % SLOTS;
    return age > generation ? 0 : generation - age;
}

/// Makes the page. Content "zero" alternates between all zero and a header in front of zeros, so that rewriting it changes it.
void make_page(uint64_t page, uint64_t generation, uint64_t out[PAGE_WORDS])
{
    enum content kind = page_kind(page, generation);
    if (kind == CONTENT_ZERO) {
        make_zero(out, PAGE_WORDS);
        if (settings.content != CONTENT_ZERO || generation % 2 == 0)
            return;
    } else {
        for (uint64_t slot = 0; slot < SLOTS; slot++) {
            uint64_t seed = mix(mix(page * SLOTS + slot + 1) + slot_generation(slot, generation));
            (kind == CONTENT_TEXT ? make_text : make_random)(seed, out + slot * SLOT_WORDS);
        }
    }
    uint64_t low = page, high = generation;
    for (int i = HEADER_WORDS; i < PAGE_WORDS; i++) {
        low += out[i];
        high += low;
    }
    out[0] = PAGE_MAGIC;
    out[1] = page;
    out[2] = generation;
    out[3] = low ^ (high << 17 | high >> 47);
}
