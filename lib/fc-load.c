/* Loading a ring's words: from the mapping or, for an observer, by reading the
 * file.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <string.h>

#include "fc-consumer.h"

#define STEADY_TRIES 1000
/* A writer that shows its life by the clock does so once a second. */
#define BEATS_NS (3 * FC_NS_PER_S)

/* The bits of the least byte of a word of SIZE bytes that was read into a
 * uint64_t. */
static uint64_t
least_byte (size_t size)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
  return UINT64_C (0xff) << (8 * (sizeof (uint64_t) - size));
#else
  return size > 0 ? 0xff : 0;
#endif
}

/* Nothing says that pread copies a word at once: twice the same is whole, but
 * for the bits in MOVING. Nor does anything say that one pread's look at memory
 * is over before the next one's begins: the fence does. 1: it was never the
 * same twice. */
static int
read_steady (const fc_attachment_t *att, uint64_t offset, void *into,
             size_t size, uint64_t moving)
{
  uint64_t first = 0, again = 0;

  for (int tries = 0; tries < STEADY_TRIES; tries++)
    {
      int r = fc_pread (att->fd, &again, size, offset, att->path);

      if (r < 0)
        return r;
      /* read_steady:A, pairs with fc_cells_publish:A, :B, :C and :D,
       * fc_generation_set_state:A, fc_generation_write_sticky:B and
       * fc_generation_show_format:A: what a word tells of is looked at after
       * it, as an acquire load would have it. */
      fc_fence (memory_order_acquire);
      if (tries > 0 && ((again ^ first) & ~moving) == 0)
        {
          memcpy (into, &again, size);
          return 0;
        }
      first = again;
    }
  return 1;
}

static int
say_unsteady (const fc_attachment_t *att, uint64_t offset)
{
  return fc_fail (-EPROTO,
                  "%s: the word at %llu changes without end; restart its "
                  "writer",
                  att->path, (unsigned long long) offset);
}

static int
read_word (const fc_attachment_t *att, uint64_t offset, void *into, size_t size)
{
  int r = read_steady (att, offset, into, size, 0);

  return r > 0 ? say_unsteady (att, offset) : r;
}

/* A word that counts up, maybe faster than it can be read twice: where its
 * other bytes stood still, its least byte is that of a moment in between. */
static int
read_counter (const fc_attachment_t *att, uint64_t offset, void *into,
              size_t size)
{
  int r = read_steady (att, offset, into, size, least_byte (size));

  return r > 0 ? say_unsteady (att, offset) : r;
}

#define WORD_AT(att, field)                                                    \
  ((att)->geo.words_offset + offsetof (fc_words_t, field))

FC_HOT int
fc_load_state (const fc_attachment_t *att, uint32_t *state)
{
  if (att->observing)
    return read_word (att, WORD_AT (att, state), state, sizeof *state);
  /* fc_load_state:A, pairs with fc_generation_set_state:A: state before
   * head, so that an end is believed only with the last frame. */
  *state = atomic_load_explicit (&att->words->state, memory_order_seq_cst);
  return 0;
}

FC_HOT int
fc_load_head (const fc_attachment_t *att, uint64_t *head)
{
  if (att->observing)
    return read_counter (att, WORD_AT (att, head), head, sizeof *head);
  /* fc_load_head:A, pairs with fc_cells_publish:C. */
  *head = atomic_load_explicit (&att->words->head, memory_order_seq_cst);
  return 0;
}

int
fc_load_wake (const fc_attachment_t *att, uint32_t *wake)
{
  /* Read before state and head; FUTEX_WAIT compares it again. */
  return read_counter (att, WORD_AT (att, wake), wake, sizeof *wake);
}

int
fc_load_serial (const fc_attachment_t *att, uint32_t *serial)
{
  if (att->observing)
    return read_word (att, WORD_AT (att, sticky), serial, sizeof *serial);
  /* fc_load_serial:A, pairs with fc_generation_write_sticky:B. */
  *serial = atomic_load_explicit (&att->words->sticky, memory_order_acquire);
  return 0;
}

int
fc_load_format_size (const fc_attachment_t *att, uint64_t *size)
{
  int r = read_word (att, offsetof (fc_ring_header_t, format_size), size,
                     sizeof *size);

  if (r < 0)
    return r;
  if (*size > att->geo.format_capacity)
    return fc_fail (-EPROTO,
                    "%s is damaged: its format is longer than its place; "
                    "restart its writer, or remove the slot",
                    att->path);
  return 0;
}

FC_HOT int
fc_load_map (const fc_attachment_t *att, uint64_t seq, uint64_t *word)
{
  uint64_t i = seq % att->geo.ring_depth;

  if (att->observing)
    {
      int r = read_steady (att, att->geo.map_offset + i * 8, word, sizeof *word,
                           0);

      /* A place that changes all the time has no frame for long enough. */
      if (r > 0)
        *word = FC_MAP_NONE;
      return r < 0 ? r : 0;
    }
  /* fc_load_map:A, pairs with fc_cells_publish:B, shorten_history:A
   * and fc_generation_cut:A. */
  *word = atomic_load_explicit (&att->map[i], memory_order_seq_cst);
  return 0;
}

int
fc_load_latency (const fc_attachment_t *att, uint64_t *latency_ns)
{
  if (att->observing)
    return read_word (att, WORD_AT (att, latency_ns), latency_ns,
                      sizeof *latency_ns);
  *latency_ns
      = atomic_load_explicit (&att->words->latency_ns, memory_order_relaxed);
  return 0;
}

bool
fc_ring_lives (const fc_attachment_t *att)
{
  uint64_t now = fc_time_of_machine (fc_now (CLOCK_MONOTONIC), att->clock);
  uint64_t beat = 0;

  /* Before the lock: a writer that gets it late clears the word after it. */
  if (read_word (att, WORD_AT (att, beat_ns), &beat, sizeof beat) < 0)
    return false;
  return fc_is_locked (att->fd, 0, 1)
         || (beat != 0 && now < beat + BEATS_NS && beat < now + BEATS_NS);
}

uint64_t
fc_load_word (const fc_attachment_t *att, uint64_t offset)
{
  return atomic_load_explicit ((const _Atomic uint64_t *) (att->base + offset),
                               memory_order_relaxed);
}
