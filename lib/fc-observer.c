/* The observer: it has no write path to anything and dereferences no mapping,
 * so a file that its writer cuts or spoils costs it an error and not a signal.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <sys/stat.h>

#include "fc-consumer.h"

static uint64_t
header_at (const fc_attachment_t *att, uint32_t cell)
{
  return att->geo.headers_offset + cell * sizeof (fc_cell_header_t);
}

/* 0 where CELL is frame SEQ's, as far as one look tells; 1, or an error. */
static int
first_look (const fc_attachment_t *att, uint32_t cell, uint64_t seq,
            fc_cell_header_t *header)
{
  int r = fc_pread (att->fd, header, sizeof *header, header_at (att, cell),
                    att->path);

  if (r < 0)
    return r;
  /* first_look:A, pairs with fc_cells_publish:A. */
  fc_fence (memory_order_acquire);
  return header->seq == seq ? 0 : 1;
}

/* 0 where it is still, so that what was read in between is whole. */
static int
second_look (const fc_attachment_t *att, uint32_t cell, uint64_t seq)
{
  uint64_t again;
  int r;

  /* second_look:A, pairs with fc_cells_get:A and :B. */
  fc_fence (memory_order_acquire);
  r = fc_pread (att->fd, &again, sizeof again, header_at (att, cell),
                att->path);
  if (r < 0)
    return r;
  return again == seq ? 0 : 1;
}

int
fc_observer_look (const fc_attachment_t *att, uint32_t cell, uint64_t seq,
                  fc_cell_header_t *header)
{
  int r = first_look (att, cell, seq, header);

  return r == 0 ? second_look (att, cell, seq) : r;
}

/* The frame's bytes could not be read. Where its place in the map has changed
 * the ring was given up meanwhile, and cut: the frame is gone, nothing is
 * damaged. */
static int
gone_or_damaged (const fc_consumer_t *c, uint64_t word, int error)
{
  uint64_t again;

  return fc_load_map (c->att, c->cursor, &again) == 0 && again != word ? 1
                                                                       : error;
}

/* A frame has at most the memory that its ring takes, and that was reserved. A
 * file with holes costs its writer nothing, at any size: to copy it would cost
 * the observer all the memory there is. */
static bool
has_memory (fc_attachment_t *att, uint64_t size)
{
  struct stat st;

  if (size > att->allocated && fstat (att->fd, &st) == 0)
    att->allocated = (uint64_t) st.st_blocks * 512;
  return size <= att->allocated;
}

int
fc_observer_copy (fc_consumer_t *c, uint64_t word, fc_frame_t *frame)
{
  fc_attachment_t *att = c->att;
  uint32_t cell = FC_MAP_CELL (word);
  fc_cell_header_t header;
  void *into;
  int r = first_look (att, cell, c->cursor, &header);

  if (r != 0)
    return r;
  r = fc_fill_frame (att, &header, frame);
  if (r == 0 && !has_memory (att, header.size))
    r = fc_say_damaged (att, "a frame is larger than its file");
  if (r < 0)
    return r;
  into = fc_copy_target (c, frame, (size_t) header.size, &r);
  if (into == NULL)
    return r;
  r = fc_pread (att->fd, into, (size_t) header.size,
                fc_cell_offset (&att->geo, cell), att->path);
  if (r == 0 && header.meta_size > 0)
    r = fc_pread (att->fd, c->meta, header.meta_size,
                  fc_cell_offset (&att->geo, cell) + att->geo.meta_offset,
                  att->path);
  if (r < 0)
    return gone_or_damaged (c, word, r);
  r = second_look (att, cell, c->cursor);
  if (r != 0)
    return r;
  frame->data = into;
  frame->info.meta = header.meta_size > 0 ? c->meta : NULL;
  return 0;
}
