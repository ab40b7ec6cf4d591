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

/* A small one, one at the ends of what a type can hold, or any. */
static inline uint64_t
fuzz_number (fuzz_t *in)
{
  uint8_t how = fuzz_byte (in);
  uint64_t number = 0;

  if (how < 64)
    return how;
  if (how < 80)
    return (UINT64_C (1) << (how * 4 & 63)) - (how & 1);
  fuzz_bytes (in, &number, 1 + how % 8);
  return how & 8 ? -number : number;
}

static inline double
fuzz_double (fuzz_t *in)
{
  static const double special[]
      = { 0.0, -0.0, 0.5, 29.97, 1e308, 5e-324, 1e19, -1.0 };
  uint8_t how = fuzz_byte (in);
  double number = 0;

  if (how < 128)
    return special[how % (sizeof special / sizeof special[0])];
  fuzz_bytes (in, &number, sizeof number);
  return number;
}

#endif /* FUZZ_H */
