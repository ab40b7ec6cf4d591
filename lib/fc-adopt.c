/* Carrying on in the ring that a dead or finished writer left.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <string.h>

#include "fc-writer.h"

/* 1 where the ring's format is OPTIONS', 0 where it is not, or an error. */
static int
same_format (const fc_ring_file_t *ring, const fc_writer_options_t *options)
{
  uint8_t part[4096];
  const uint8_t *format = options->format;
  uint32_t size = options->format_size;

  for (uint32_t at = 0, n; at < size; at += n)
    {
      int r;

      n = size - at < sizeof part ? size - at : (uint32_t) sizeof part;
      r = fc_pread (ring->fd, part, n, ring->header.format_offset + at,
                    ring->path);
      if (r < 0 || memcmp (part, format + at, n) != 0)
        return r;
    }
  return 1;
}

static bool
agrees (const fc_ring_file_t *ring, const fc_writer_options_t *options)
{
  const fc_ring_header_t *h = &ring->header;
  uint64_t format_size
      = atomic_load_explicit (&h->format_size, memory_order_relaxed);
  uint32_t observers = options->observers || options->access != options->trust;

  if (h->frame_size != options->frame_size
      || h->ring_depth != options->ring_depth
      || h->max_consumers != options->max_consumers
      || h->leases != options->leases
      || h->writer_cells != options->writer_cells
      || h->access != (uint32_t) options->access
      || h->trust != (uint32_t) options->trust || h->observers != observers)
    return false;
  if (format_size == 0)
    return options->format_size <= (h->reserved ? h->format_capacity : 0);
  return format_size == options->format_size
         && same_format (ring, options) == 1;
}

/* Take the history over: false where the map can not have been written by a
 * writer that kept the rules. */
static bool
adopt_history (fc_generation_t *gen)
{
  uint32_t depth = gen->geo.ring_depth;
  uint64_t first = gen->header->first_seq;
  uint64_t have, oldest;

  /* adopt_history:A, pairs with fc_cells_publish:C. */
  gen->head = atomic_load_explicit (&gen->words->head, memory_order_acquire);
  if (gen->head < first)
    return false;
  have = gen->head - first;
  oldest = gen->head - (have < depth ? have : depth);
  for (uint64_t seq = gen->head; seq < oldest + depth; seq++)
    {
      /* Places without a frame, or whose frame the dead writer was replacing
       * by one that never counted. */
      uint64_t word
          = atomic_load_explicit (&gen->map[seq % depth], memory_order_relaxed);

      if (word != FC_MAP_NONE && !FC_MAP_IS (word, gen->head))
        return false;
      /* adopt_history:B, pairs with fc_load_map:A. */
      atomic_store_explicit (&gen->map[seq % depth], FC_MAP_NONE,
                             memory_order_seq_cst);
    }
  for (uint64_t seq = oldest; seq < gen->head; seq++)
    {
      uint32_t i = (uint32_t) (seq % depth);
      uint64_t word = atomic_load_explicit (&gen->map[i], memory_order_relaxed);
      uint32_t cell = FC_MAP_CELL (word);

      if (word == FC_MAP_NONE)
        continue;
      if (seq + depth == gen->head && FC_MAP_IS (word, gen->head))
        {
          /* adopt_history:C, pairs with fc_load_map:A. */
          atomic_store_explicit (&gen->map[i], FC_MAP_NONE,
                                 memory_order_seq_cst);
          continue;
        }
      if (!FC_MAP_IS (word, seq) || cell >= gen->cells
          || (gen->marks[cell / 64] >> (cell % 64) & 1) != 0)
        return false;
      gen->marks[cell / 64] |= UINT64_C (1) << (cell % 64);
      gen->place[i] = (uint16_t) cell;
    }
  /* All others are free once nobody leases them. */
  for (uint32_t cell = gen->cells; cell > 0; cell--)
    if ((gen->marks[(cell - 1) / 64] >> ((cell - 1) % 64) & 1) == 0)
      gen->retired[gen->n_retired++] = (uint16_t) (cell - 1);
  return true;
}

static void
adopt_key_seq (fc_generation_t *gen)
{
  uint32_t depth = gen->geo.ring_depth;
  uint16_t cell = gen->place[(gen->head + depth - 1) % depth];

  if (cell != FC_NO_CELL && gen->headers[cell].key_seq < gen->head)
    gen->key_seq = gen->headers[cell].key_seq;
}

static int
adopt (fc_generation_t *gen, const fc_ring_file_t *ring,
       const fc_writer_options_t *options)
{
  uint64_t cells = ((uint64_t) ring->st.st_size - gen->geo.cells_offset)
                   / gen->geo.cell_stride;
  uint32_t state
      = atomic_load_explicit (&gen->words->state, memory_order_relaxed);

  if (state > FC_STATE_EOS || cells < gen->geo.cells_initial)
    return 0;
  gen->cells = cells > gen->geo.cells_planned ? gen->geo.cells_planned
                                              : (uint32_t) cells;
  gen->populated = 0;
  if (!adopt_history (gen))
    return 0;
  adopt_key_seq (gen);
  gen->generation = ring->header.generation;
  gen->observers = ring->header.observers != 0;
  gen->epoch = atomic_load_explicit (&gen->words->epoch, memory_order_relaxed);
  gen->sticky
      = atomic_load_explicit (&gen->words->sticky, memory_order_relaxed);
  if (atomic_load_explicit (&gen->header->format_size, memory_order_relaxed)
          == 0
      && options->format_size > 0)
    {
      /* Not read before its length is there, which is when it is shown. */
      memcpy (gen->base + gen->geo.format_offset, options->format,
              options->format_size);
    }
  gen->format_size = options->format_size;
  return 1;
}

void
fc_generation_show_format (fc_generation_t *gen)
{
  if (atomic_load_explicit (&gen->header->format_size, memory_order_relaxed)
      != gen->format_size)
    /* fc_generation_show_format:A, pairs with read_steady:A. */
    atomic_store_explicit (&gen->header->format_size, gen->format_size,
                           memory_order_release);
}

int
fc_generation_adopt (fc_generation_t **result, const fc_ring_file_t *ring,
                     const fc_dir_t *dir, const char *slot,
                     const fc_writer_options_t *options)
{
  fc_generation_t *gen;
  int r;

  if (!agrees (ring, options))
    return 0;
  r = fc_generation_inherit (&gen, ring, dir, slot);
  if (r < 0)
    return fc_is_system_error (r) ? r : 0;
  if (!gen->foreign && adopt (gen, ring, options) == 1)
    {
      gen->adopted = true;
      *result = gen;
      return 1;
    }
  fc_generation_unref (gen);
  return 0;
}
