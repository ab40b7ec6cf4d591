/* framecache: how GStreamer lays raw pictures out by default
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "sizes-private.h"

/* The width is rounded up to a multiple of `pad`, takes mul / div bytes a
 * pixel, and the line is rounded up to a multiple of `align`; the height is
 * rounded up to a multiple of `even` and has one line in `sub`. */
typedef struct
{
  guint8 pad, mul, div, align;
  guint8 even, sub;
} Plane;

typedef struct
{
  const gchar *names;
  Plane plane[4];
} Layout;

/* N bytes a pixel on every line; the same with an even height; and of chroma
 * on every second line. */
#define BYTES(n) PACKED (1, n, 1, 4)
#define EVEN(n)                                                                \
  {                                                                            \
    1, n, 1, 4, 2, 1                                                           \
  }
#define HALF(n)                                                                \
  {                                                                            \
    1, n, 1, 4, 2, 2                                                           \
  }
/* N bytes for every second pixel on every second line. */
#define QUARTER(n)                                                             \
  {                                                                            \
    2, n, 2, 4, 2, 2                                                           \
  }
#define PACKED(pad, mul, div, align)                                           \
  {                                                                            \
    pad, mul, div, align, 1, 1                                                 \
  }

static const Layout layouts[] = {
  { "I420 YV12", { EVEN (1), QUARTER (1), QUARTER (1) } },
  { "A420", { EVEN (1), QUARTER (1), QUARTER (1), EVEN (1) } },
  { "NV12 NV21", { EVEN (1), HALF (1) } },
  { "AV12", { EVEN (1), HALF (1), EVEN (1) } },
  { "NV16 NV61", { BYTES (1), BYTES (1) } },
  { "NV24", { BYTES (1), BYTES (2) } },
  { "Y42B", { BYTES (1), PACKED (8, 1, 2, 4), PACKED (8, 1, 2, 4) } },
  { "Y41B", { BYTES (1), PACKED (16, 1, 4, 4), PACKED (16, 1, 4, 4) } },
  { "YUV9 YVU9", { BYTES (1), { 4, 1, 4, 4, 4, 4 }, { 4, 1, 4, 4, 4, 4 } } },
  { "Y444 GBR RGBP BGRP", { BYTES (1), BYTES (1), BYTES (1) } },
  { "GBRA", { BYTES (1), BYTES (1), BYTES (1), BYTES (1) } },
  { "P010_10LE P010_10BE P012_LE P012_BE P016_LE P016_BE",
    { EVEN (2), HALF (2) } },
  { "I420_10LE I420_10BE I420_12LE I420_12BE",
    { EVEN (2), QUARTER (2), QUARTER (2) } },
  { "A420_10LE A420_10BE", { EVEN (2), QUARTER (2), QUARTER (2), EVEN (2) } },
  { "I422_10LE I422_10BE I422_12LE I422_12BE",
    { EVEN (2), EVEN (1), EVEN (1) } },
  { "A422_10LE A422_10BE", { EVEN (2), EVEN (1), EVEN (1), EVEN (2) } },
  { "Y444_10LE Y444_10BE Y444_12LE Y444_12BE Y444_16LE Y444_16BE "
    "GBR_10LE GBR_10BE GBR_12LE GBR_12BE",
    { BYTES (2), BYTES (2), BYTES (2) } },
  { "A444_10LE A444_10BE GBRA_10LE GBRA_10BE GBRA_12LE GBRA_12BE",
    { BYTES (2), BYTES (2), BYTES (2), BYTES (2) } },
  { "NV12_10LE32", { { 3, 4, 3, 4, 2, 1 }, { 3, 4, 3, 4, 2, 2 } } },
  { "NV16_10LE32", { PACKED (3, 4, 3, 4), PACKED (3, 4, 3, 4) } },
  { "NV12_10LE40", { { 4, 5, 4, 1, 2, 1 }, { 4, 5, 4, 1, 2, 2 } } },
  { "YUY2 YVYU UYVY VYUY RGB16 BGR16 RGB15 BGR15 GRAY16_LE GRAY16_BE",
    { BYTES (2) } },
  { "RGB BGR v308 IYU2", { BYTES (3) } },
  { "RGBx BGRx xRGB xBGR RGBA BGRA ARGB ABGR AYUV VUYA r210 Y410 RGB10A2_LE "
    "BGR10A2_LE",
    { BYTES (4) } },
  { "ARGB64 AYUV64 ARGB64_LE ARGB64_BE RGBA64_LE RGBA64_BE BGRA64_LE "
    "BGRA64_BE ABGR64_LE ABGR64_BE Y412_LE Y412_BE",
    { BYTES (8) } },
  { "Y210 Y212_LE Y212_BE v216", { PACKED (2, 4, 1, 8) } },
  { "v210", { PACKED (48, 8, 3, 4) } },
  { "UYVP", { PACKED (1, 5, 2, 4) } },
  { "IYU1", { PACKED (4, 3, 2, 4) } },
  { "GRAY8", { BYTES (1) } },
  { "GRAY10_LE32", { { 3, 4, 3, 4, 2, 1 } } },
};

static guint64
round_up (guint64 value, guint64 multiple)
{
  return (value + multiple - 1) / multiple * multiple;
}

static guint64
plane_size (const Plane *plane, guint width, guint height)
{
  guint64 line = round_up (width, plane->pad) * plane->mul;
  guint64 lines = round_up (height, plane->even) / plane->sub;

  return round_up (round_up (line, plane->div) / plane->div, plane->align)
         * lines;
}

/* Formats ------------------------------------------------------------------ */

typedef struct
{
  gchar **names;
  const Layout **layouts; /* of each */
} Formats;

static gpointer
formats_make (gpointer unused)
{
  Formats *formats = g_new (Formats, 1);
  GPtrArray *names = g_ptr_array_new ();
  GPtrArray *of = g_ptr_array_new ();

  for (guint i = 0; i < G_N_ELEMENTS (layouts); i++)
    {
      g_auto (GStrv) split = g_strsplit (layouts[i].names, " ", -1);

      for (guint k = 0; split[k] != NULL; k++)
        {
          g_ptr_array_add (names, g_strdup (split[k]));
          g_ptr_array_add (of, (gpointer) &layouts[i]);
        }
    }
  g_ptr_array_add (names, NULL);
  formats->names = (gchar **) g_ptr_array_free (names, FALSE);
  formats->layouts = (const Layout **) g_ptr_array_free (of, FALSE);
  return formats;
}

static const Formats *
formats_get (void)
{
  static GOnce once = G_ONCE_INIT;

  return g_once (&once, formats_make, NULL);
}

const gchar *const *
fcr_sizes_formats (void)
{
  return (const gchar *const *) formats_get ()->names;
}

static gint
format_find (const gchar *name)
{
  const gchar *const *names = fcr_sizes_formats ();

  for (gint i = 0; name != NULL && names[i] != NULL; i++)
    if (g_ascii_strcasecmp (name, names[i]) == 0)
      return i;
  return -1;
}

guint64
fcr_sizes_picture (const gchar *pixels, guint width, guint height)
{
  gint n = format_find (pixels);
  const Layout *layout;
  guint64 size = 0;

  if (n < 0 || width == 0 || height == 0 || width > SIDE_MAX
      || height > SIDE_MAX)
    return 0;
  layout = formats_get ()->layouts[n];
  for (guint i = 0; i < G_N_ELEMENTS (layout->plane); i++)
    if (layout->plane[i].mul != 0)
      size += plane_size (&layout->plane[i], width, height);
  return size;
}

const gchar *
fcr_sizes_format (const gchar *name)
{
  gint n = format_find (name);

  return n >= 0 ? fcr_sizes_formats ()[n] : NULL;
}
