/* framecache: how large a slot of such frames is
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What a person or a client on the bus says of the frames that a slot is for
 * (a picture's size, format and rate, or just bytes), worked out into what
 * libfc asks for. Any thread.
 */
#ifndef FCR_SIZES_H
#define FCR_SIZES_H

#include <glib.h>

#include "fc.h"

G_BEGIN_DECLS

/* Fields that are 0 or NULL were not said. */
typedef struct
{
  guint width, height; /* pixels */
  gchar *pixels;       /* raw video format, by GStreamer's name: "NV12" */
  guint fps_n, fps_d;  /* frames a second, a fraction */
  gdouble seconds;     /* of history */
  guint64 frame_size;  /* bytes of the largest frame */
  guint ring_depth;    /* frames of history */
  guint count;         /* of slots like this one (x4); 0 is 1 */
  guint max_consumers;
  guint leases;
  guint writer_cells;
  gchar *format; /* the frames' caps, as a string */
  fc_share_t access;
  fc_share_t trust;
} FcrSizes;

#define FCR_SIZES_INIT                                                         \
  {                                                                            \
    0                                                                          \
  }

void fcr_sizes_clear (FcrSizes *sizes);

/* Adds one word of `1920x1080@60 NV12 10s x4` to SIZES: WIDTHxHEIGHT[@RATE],
 * a size in bytes with or without @RATE (4096, 64KiB@50, 1.5MB), RATE being a
 * number or a fraction (30000/1001), the name of a raw video format, a time
 * (10s, 500ms, 2min), a depth (120f: frames), xN for N slots. FALSE with ERROR
 * (G_OPTION_ERROR_BAD_VALUE), one sentence that names the word, what it may be
 * and an example. */
gboolean fcr_sizes_parse_word (FcrSizes *sizes, const gchar *word,
                               GError **error);

/* Bytes of one picture as GStreamer lays it out by default, or 0 where PIXELS
 * is no format that is known here. */
guint64 fcr_sizes_picture (const gchar *pixels, guint width, guint height);
/* The names that fcr_sizes_picture () knows, NULL-terminated. */
const gchar *const *fcr_sizes_formats (void);

/* Work SIZES out into OPTIONS (initialised here; its strings are those of
 * SIZES). The depth is ring_depth, or seconds x rate rounded up, or what fcsink
 * takes by default: 120, fewer where that would pass 256 MiB, at least 8.
 * FALSE with ERROR where too little was said or things contradict. */
gboolean fcr_sizes_resolve (const FcrSizes *sizes, fc_writer_options_t *options,
                            GError **error);

G_END_DECLS

#endif /* FCR_SIZES_H */
