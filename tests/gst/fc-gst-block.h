/* framecache: meta blocks and slots written by hand
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef FC_GST_BLOCK_H
#define FC_GST_BLOCK_H

#include <gst/video/video.h>

#include "fc-gst-test.h"

/* Small frames, of which nothing is a multiple of anything; planar sound; and
 * cells that are large enough for either. */
#define FCT_PADDED_CAPS                                                        \
  "video/x-raw,format=I420,width=18,height=10,framerate=25/1,"                 \
  "interlace-mode=progressive,colorimetry=bt601,pixel-aspect-ratio=1/1"
#define FCT_PLANAR_CAPS                                                        \
  "audio/x-raw,format=S16LE,layout=non-interleaved,rate=48000,channels=2,"     \
  "channel-mask=(bitmask)3"
#define FCT_CELL_SIZE 65536

/* FCT_PADDED_CAPS as they lie by themselves, and with room around them. */
void fct_usual_info (GstVideoInfo *info);
void fct_padded_info (GstVideoInfo *info, GstVideoAlignment *align);

/* A block as docs/ring-format.md has it, built without the elements' code.
 * Numbers are little-endian, whatever the machine. */
GByteArray *fct_block_new (void);
void fct_block_number (GByteArray *block, guint64 number, guint bytes);
void fct_block_text (GByteArray *block, const gchar *text);
/* Begin a record; fill in how long it became. */
guint fct_block_begin (GByteArray *block, guint type);
void fct_block_end (GByteArray *block, guint begin);

/* A whole GstVideoMeta record: INFO's planes, strides and alignment. */
void fct_block_video (GByteArray *block, const GstVideoInfo *info,
                      const GstVideoAlignment *align);

/* Slot cam0, written by libfc alone, with CAPS as its format. */
fc_writer_t *fct_raw_writer (const gchar *caps, guint64 frame_size);
/* BLOCK may be NULL. */
void fct_raw_write (fc_writer_t *writer, const void *data, gsize size,
                    const GByteArray *block);

/* fcsrc slot=cam0 with downstream's answer to ALLOCATION: whether it
 * understands GstVideoMeta. MEMORY as the property. */
GstHarness *fct_video_reader (gboolean takes_video_meta, gint memory);

/* Every plane that the buffer's metas tell of lies within its bytes. */
void fct_check_layout (GstBuffer *buffer);

#endif /* FC_GST_BLOCK_H */
