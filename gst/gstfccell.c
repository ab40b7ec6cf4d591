/* framecache: a cell of the ring as GstMemory
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <string.h>

#include "gstfccell.h"

typedef enum
{
  CELL_FILLING,
  CELL_HELD, /* committed, and upstream still refers to it */
  CELL_DONE  /* committed, or failed to be */
} GstFcCellState;

typedef struct
{
  GstMemory memory;
  GstFcSlot *slot;
  fc_writer_t *writer; /* good for as long as the cell is out or held */
  fc_frame_t frame;
  GstFcCellState state;
  gboolean is_copy; /* of another cell */
} GstFcCell;

/* The allocator ------------------------------------------------------- */

#define GST_TYPE_FC_CELL_ALLOCATOR (gst_fc_cell_allocator_get_type ())
G_DECLARE_FINAL_TYPE (GstFcCellAllocator, gst_fc_cell_allocator, GST,
                      FC_CELL_ALLOCATOR, GstAllocator)

struct _GstFcCellAllocator
{
  GstAllocator parent;
};

G_DEFINE_FINAL_TYPE (GstFcCellAllocator, gst_fc_cell_allocator,
                     GST_TYPE_ALLOCATOR)

/* The allocator's own way, into ordinary memory. */
static GstMemoryCopyFunction gst_fc_cell_copy_elsewhere;

static void
gst_fc_cell_free (GstAllocator *allocator, GstMemory *memory)
{
  GstFcCell *self = (GstFcCell *) memory;

  /* A part of another one holds that one as its parent, and no cell. */
  if (memory->parent == NULL && self->state == CELL_FILLING)
    fc_writer_abandon (self->writer, &self->frame);
  else if (memory->parent == NULL && self->state == CELL_HELD)
    fc_writer_unhold (self->writer, &self->frame);
  g_clear_pointer (&self->slot, gst_fc_slot_unref);
  g_free (self);
}

static gpointer
gst_fc_cell_map (GstMemory *memory, gsize maxsize, GstMapFlags flags)
{
  return ((GstFcCell *) memory)->frame.data;
}

static void
gst_fc_cell_unmap (GstMemory *memory)
{
}

static GstMemory *
gst_fc_cell_share (GstMemory *memory, gssize offset, gssize size)
{
  GstMemory *parent = memory->parent != NULL ? memory->parent : memory;
  GstFcCell *part = g_new0 (GstFcCell, 1);

  if (size < 0)
    size = (gssize) memory->size - offset;
  part->frame.data = ((GstFcCell *) memory)->frame.data;
  gst_memory_init (&part->memory,
                   GST_MINI_OBJECT_FLAGS (parent)
                       | GST_MINI_OBJECT_FLAG_LOCK_READONLY,
                   memory->allocator, parent, memory->maxsize, memory->align,
                   memory->offset + (gsize) offset, (gsize) size);
  return &part->memory;
}

/* GStreamer copies what is to be passed on while it is mapped for writing:
 * each frame that a decoder keeps as a reference. Copied into a cell it need
 * not be copied again. */
static GstMemory *
gst_fc_cell_copy (GstMemory *memory, gssize offset, gssize size)
{
  GstFcCell *self = (GstFcCell *) memory, *copy = NULL;
  GstMapInfo map;

  if (size < 0)
    size = (gssize) memory->size - offset;
  if (self->slot != NULL && offset == 0 && memory->offset == 0
      && gst_memory_map (memory, &map, GST_MAP_READ))
    {
      copy = (GstFcCell *) gst_fc_cell_new (self->slot, (gsize) size);
      if (copy != NULL)
        {
          memcpy (copy->frame.data, map.data, (gsize) size);
          copy->is_copy = TRUE;
        }
      gst_memory_unmap (memory, &map);
    }
  if (copy != NULL)
    return &copy->memory;
  return gst_fc_cell_copy_elsewhere (memory, offset, size);
}

static void
gst_fc_cell_allocator_class_init (GstFcCellAllocatorClass *klass)
{
  GST_ALLOCATOR_CLASS (klass)->free = gst_fc_cell_free;
}

static void
gst_fc_cell_allocator_init (GstFcCellAllocator *self)
{
  GstAllocator *allocator = GST_ALLOCATOR (self);

  gst_fc_cell_copy_elsewhere = allocator->mem_copy;
  allocator->mem_copy = gst_fc_cell_copy;
  allocator->mem_type = "FramecacheCell";
  allocator->mem_map = gst_fc_cell_map;
  allocator->mem_unmap = gst_fc_cell_unmap;
  allocator->mem_share = gst_fc_cell_share;
  GST_OBJECT_FLAG_SET (self, GST_ALLOCATOR_FLAG_CUSTOM_ALLOC);
  /* One for the life of the process. */
  GST_OBJECT_FLAG_SET (self, GST_OBJECT_FLAG_MAY_BE_LEAKED);
}

static GstAllocator *
gst_fc_cell_get_allocator (void)
{
  static gsize allocator = 0;

  if (g_once_init_enter (&allocator))
    g_once_init_leave (&allocator, (gsize) gst_object_ref_sink (g_object_new (
                                       GST_TYPE_FC_CELL_ALLOCATOR, NULL)));
  return (GstAllocator *) allocator;
}

/* Cells --------------------------------------------------------------- */

GstMemory *
gst_fc_cell_new (GstFcSlot *slot, gsize size)
{
  fc_frame_t frame = FC_FRAME_INIT;
  fc_writer_t *writer;
  GstFcCell *self;

  if (!gst_fc_slot_acquire (slot, &writer, &frame))
    return NULL;
  if (frame.capacity < size)
    {
      fc_writer_abandon (writer, &frame);
      return NULL;
    }
  /* Not cleared: the C library keeps memory of a size at hand for who gave it
   * back, and not for who wants it cleared. */
  self = g_new (GstFcCell, 1);
  self->slot = gst_fc_slot_ref (slot);
  self->writer = writer;
  self->frame = frame;
  self->state = CELL_FILLING;
  self->is_copy = FALSE;
  gst_memory_init (&self->memory, (GstMemoryFlags) 0,
                   gst_fc_cell_get_allocator (), NULL, frame.capacity, 4095, 0,
                   size);
  return &self->memory;
}

static GstFcCell *
gst_fc_cell_peek (GstBuffer *buffer)
{
  GstMemory *memory;

  if (gst_buffer_n_memory (buffer) != 1)
    return NULL;
  memory = gst_buffer_peek_memory (buffer, 0);
  return memory->allocator == gst_fc_cell_get_allocator ()
             ? (GstFcCell *) memory
             : NULL;
}

gboolean
gst_fc_cell_is_buffer (GstBuffer *buffer, fc_writer_t *writer)
{
  const GstFcCell *self = gst_fc_cell_peek (buffer);

  return self != NULL && self->memory.parent == NULL && self->memory.offset == 0
         && self->writer == writer && self->state == CELL_FILLING;
}

/* Somebody besides this buffer, or somebody who has this buffer. */
static gboolean
gst_fc_cell_is_shared (const GstFcCell *self, GstBuffer *buffer)
{
  return GST_MINI_OBJECT_REFCOUNT_VALUE (buffer) > 1
         || GST_MINI_OBJECT_REFCOUNT_VALUE (&self->memory) > 1;
}

GstFcCellResult
gst_fc_cell_commit (GstBuffer *buffer, const fc_info_t *info, int *err)
{
  GstFcCell *self = gst_fc_cell_peek (buffer);
  gboolean shared;

  /* Memory that has two shares is writable for nobody. The buffer has one, and
   * may go before others who hold the memory: two more, which go with the
   * memory. There are none to be had while it is mapped for writing. */
  if (!gst_memory_lock (&self->memory, GST_LOCK_FLAG_EXCLUSIVE))
    return GST_FC_CELL_IN_USE;
  gst_memory_lock (&self->memory, GST_LOCK_FLAG_EXCLUSIVE);
  shared = gst_fc_cell_is_shared (self, buffer);
  self->frame.size = self->memory.size;
  self->frame.info = *info;
  if (shared)
    *err = fc_writer_commit_hold (self->writer, &self->frame);
  else
    *err = fc_writer_commit (self->writer, &self->frame);
  self->state = shared && *err >= 0 ? CELL_HELD : CELL_DONE;
  if (*err < 0)
    return GST_FC_CELL_FAILED;
  return *err == 0 && !self->is_copy ? GST_FC_CELL_COMMITTED
                                     : GST_FC_CELL_COPIED;
}
