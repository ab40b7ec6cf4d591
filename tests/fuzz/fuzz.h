/* Taking a fuzzer's input apart. What is asked for beyond its end is zero.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct
{
  const uint8_t *data;
  size_t size;
} fuzz_t;

/* The fuzzer's two entry points, also called by replay.c. */
int LLVMFuzzerInitialize (int *argc, char ***argv);
int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

/* Up to COUNT bytes; returns how many there were. */
static inline size_t
fuzz_bytes (fuzz_t *in, void *into, size_t count)
{
  if (count > in->size)
    count = in->size;
  memcpy (into, in->data, count);
  in->data += count;
  in->size -= count;
  return count;
}

static inline uint8_t
fuzz_byte (fuzz_t *in)
{
  uint8_t value = 0;

  fuzz_bytes (in, &value, 1);
  return value;
}

static inline uint16_t
fuzz_u16 (fuzz_t *in)
{
  uint16_t value = 0;

  fuzz_bytes (in, &value, 2);
  return value;
}

#endif /* FUZZ_H */
