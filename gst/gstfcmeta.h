/* framecache: a buffer's metas on their way through a slot
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef GST_FC_META_H
#define GST_FC_META_H

/* The functions, not their inlines: these read numbers where they lie, and
 * nothing in a block is aligned. */
#define GST_BYTE_READER_DISABLE_INLINES
#define GST_BYTE_WRITER_DISABLE_INLINES
#include <gst/base/gstbytereader.h>
#include <gst/base/gstbytewriter.h>

#include "fc.h"
#include "gstfclayout.h"

G_BEGIN_DECLS

/* The block that goes with a frame is of these records; docs/ring-format.md
 * has the bytes. The numbers are for ever. */
typedef enum
{
  GST_FC_META_VIDEO = 1,
  GST_FC_META_CROP = 2,
  GST_FC_META_TIME_CODE = 3,
  GST_FC_META_REGION_OF_INTEREST = 4,
  GST_FC_META_CAPTION = 5,
  GST_FC_META_AUDIO = 6,
  GST_FC_META_REFERENCE_TIMESTAMP = 7,
  GST_FC_META_AUDIO_CLIPPING = 8,
  GST_FC_META_ACTIVE_FORMAT = 9,
  GST_FC_META_BAR = 10,
  GST_FC_META_AFFINE = 11,
  GST_FC_META_PROTECTION = 12,
  GST_FC_META_CUSTOM = 13,
  GST_FC_META_SERIALIZED = 14, /* by GStreamer itself, from 1.24 on */
  GST_FC_N_METAS
} GstFcMetaType;

/* Writing -------------------------------------------------------------- */

typedef struct
{
  GstElement *element; /* whose log names what can not travel */
  GstFcLayout layout;
  GHashTable *named; /* the APIs that were */
  guint8 block[FC_META_MAX];
} GstFcMetaWriter;

void gst_fc_meta_writer_init (GstFcMetaWriter *self, GstElement *element);
void gst_fc_meta_writer_set_caps (GstFcMetaWriter *self, const GstCaps *caps);
/* Another stream: what can not travel is named again. */
void gst_fc_meta_writer_reset (GstFcMetaWriter *self);

/* The block for BUFFER's metas, of *SIZE bytes, or NULL and 0 where it has
 * none. Good until the next call. LAID_OUT_AS_CAPS where the frame's bytes
 * were brought into the layout of the caps, whatever BUFFER's is. */
const void *gst_fc_meta_write (GstFcMetaWriter *self, GstBuffer *buffer,
                               gboolean laid_out_as_caps, guint32 *size);

/* Reading -------------------------------------------------------------- */

typedef struct
{
  GstElement *element;
  GstFcLayout layout;
  guint warned;           /* of refused records, by type */
  gboolean packed;        /* the frame at hand was, into the caps' layout */
  GstFcVideoLayout video; /* how it lies in the slot, once found padded */
  gsize size;             /* of its block */
  guint8 block[FC_META_MAX];
} GstFcMetaReader;

void gst_fc_meta_reader_init (GstFcMetaReader *self, GstElement *element);
void gst_fc_meta_reader_set_caps (GstFcMetaReader *self, const GstCaps *caps);

/* Copy the block that goes with a frame: whoever wrote it may still do so. */
void gst_fc_meta_reader_take (GstFcMetaReader *self, const fc_info_t *info);

/* Whether the frame at hand, of FRAME_SIZE bytes, is video that does not lie
 * as its caps say. */
gboolean gst_fc_meta_reader_is_padded (GstFcMetaReader *self, gsize frame_size);

/* Add its metas to BUFFER, which has its bytes. */
void gst_fc_meta_reader_add (GstFcMetaReader *self, GstBuffer *buffer);

/* Records -------------------------------------------------------------- */

/* The next record of a block. FALSE at its end, or at the first thing that
 * does not look like one. */
gboolean gst_fc_meta_next_record (GstByteReader *block, guint *type,
                                  GstByteReader *payload);

/* A type of record whose meta stands for itself. GET is fed with anything:
 * FALSE where PAYLOAD is no such meta. */
typedef struct
{
  GstFcMetaType type;
  GType (*api) (void);
  gboolean (*put) (GstByteWriter *writer, const GstMeta *meta);
  gboolean (*get) (GstByteReader *payload, GstBuffer *buffer);
} GstFcMetaCodec;

const GstFcMetaCodec *gst_fc_meta_find_codec (const GstMetaInfo *info);
const GstFcMetaCodec *gst_fc_meta_get_codec (guint type);

G_END_DECLS

#endif /* GST_FC_META_H */
