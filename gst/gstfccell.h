/* framecache: a cell of the ring as GstMemory
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef GST_FC_CELL_H
#define GST_FC_CELL_H

#include "gstfcslot.h"

G_BEGIN_DECLS

/* Memory of SIZE bytes at the start of a free cell, for upstream to fill; NULL
 * where none is free, or has so much room. It gives the cell back with its
 * last reference: also after fcsink has stopped, and on any thread. */
GstMemory *gst_fc_cell_new (GstFcSlot *slot, gsize size);

/* Whether BUFFER is one such cell and nothing else, of WRITER, whole, not yet
 * committed. */
gboolean gst_fc_cell_is_buffer (GstBuffer *buffer, fc_writer_t *writer);

typedef enum
{
  GST_FC_CELL_COMMITTED,
  GST_FC_CELL_COPIED, /* but had been copied into the cell, or was now */
  GST_FC_CELL_IN_USE, /* somebody may write to it: still to be copied */
  GST_FC_CELL_FAILED  /* *ERR says why; the frame is lost */
} GstFcCellResult;

/* Publish it with INFO. Whoever still refers to the memory can from here on
 * read it and not write to it; the cell is not used again before that ends. */
GstFcCellResult gst_fc_cell_commit (GstBuffer *buffer, const fc_info_t *info,
                                    int *err);

G_END_DECLS

#endif /* GST_FC_CELL_H */
