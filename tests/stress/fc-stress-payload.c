/* The stress of slots: frames that tell whether they are whole; time, chance.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "fc-stress.h"

int64_t
now_ns (void)
{
  struct timespec now;

  clock_gettime (CLOCK_MONOTONIC, &now);
  return now.tv_sec * SEC + now.tv_nsec;
}

void
sleep_ns (int64_t ns)
{
  if (ns > 0)
    nanosleep (&(struct timespec){ ns / SEC, ns % SEC }, NULL);
}

uint64_t
chance (uint64_t *state)
{
  uint64_t z = *state += 0x9e3779b97f4a7c15u;

  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

bool
once_in (uint64_t *state, unsigned times)
{
  return times > 0 && chance (state) % times == 0;
}

typedef struct
{
  uint64_t seq;
  uint64_t index;
  uint64_t life;
  uint64_t sum; /* of all words of the block but this */
} block_t;

static uint64_t
sum_words (const uint64_t *word, size_t count)
{
  uint64_t a = 1, b = 0;

  for (size_t i = 0; i < count; i++)
    {
      if (i == offsetof (block_t, sum) / 8)
        continue;
      a += word[i];
      b += a ^ (a >> 31);
    }
  return a ^ b;
}

void
payload_fill (void *data, size_t size, uint64_t seq, uint64_t life)
{
  for (size_t at = 0; at + BLOCK <= size; at += BLOCK)
    {
      uint64_t *word = (uint64_t *) ((char *) data + at);
      block_t *block = (block_t *) word;
      uint64_t w = seq * 0x9e3779b97f4a7c15u + at + life;

      for (size_t i = sizeof *block / 8; i < BLOCK / 8; i++)
        word[i] = w += 0xd1b54a32d192ed03u;
      block->seq = seq;
      block->index = at / BLOCK;
      block->life = life;
      block->sum = sum_words (word, BLOCK / 8);
    }
}

bool
payload_whole (const void *data, size_t size, uint64_t seq)
{
  uint64_t life = size >= BLOCK ? ((const block_t *) data)->life : 0;

  for (size_t at = 0; at + BLOCK <= size; at += BLOCK)
    {
      const uint64_t *word = (const uint64_t *) ((const char *) data + at);
      const block_t *block = (const block_t *) word;

      if (block->seq != seq || block->index != at / BLOCK || block->life != life
          || block->sum != sum_words (word, BLOCK / 8))
        return false;
    }
  return true;
}
