/* framecache: metas as bytes, and back
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Each pair puts a meta's fields one after another, little-endian, texts with
 * a length before them. A reader takes what it knows and leaves the rest of a
 * record, so that fields can be added at the end.
 */
#include <string.h>

#include "gstfccommon.h"
#include "gstfcmeta.h"

/* Texts ---------------------------------------------------------------- */

static gboolean
gst_fc_put_text (GstByteWriter *w, const gchar *text)
{
  gsize length = strlen (text);

  return length <= G_MAXUINT16
         && gst_byte_writer_put_uint16_le (w, (guint16) length)
         && gst_byte_writer_put_data (w, (const guint8 *) text, (guint) length);
}

static gchar *
gst_fc_get_text (GstByteReader *r)
{
  const guint8 *text;
  guint16 length;

  if (!gst_byte_reader_get_uint16_le (r, &length)
      || !gst_byte_reader_get_data (r, length, &text)
      || !g_utf8_validate_len ((const gchar *) text, length, NULL))
    return NULL;
  return g_strndup ((const gchar *) text, length);
}

/* Whether a structure's text begins with what GStreamer takes as its name. Its
 * parser finds that out too late, and complains as of a fault of ours. */
static gboolean
gst_fc_is_named (const gchar *text)
{
  if (!g_ascii_isalpha (*text))
    return FALSE;
  while (g_ascii_isalnum (*text)
         || (*text != '\0' && strchr ("/-_.:+", *text) != NULL))
    text++;
  return *text == ',' || *text == ';' || *text == '\0';
}

/* FALSE also where it has a field that would not come back. */
static gboolean
gst_fc_put_structure (GstByteWriter *w, const GstStructure *s)
{
  gchar *text = gst_structure_to_string (s);
  gboolean ok = text != NULL && !gst_fc_text_is_deep (text);

  if (ok && strstr (text, ")NULL") != NULL)
    {
      GstStructure *back = gst_structure_from_string (text, NULL);

      ok = back != NULL;
      gst_clear_structure (&back);
    }
  ok = ok && gst_fc_put_text (w, text);
  g_free (text);
  return ok;
}

static GstStructure *
gst_fc_get_structure (GstByteReader *r)
{
  gchar *text = gst_fc_get_text (r), *end;
  GstStructure *s = NULL;

  if (text != NULL && gst_fc_is_named (text) && !gst_fc_text_is_deep (text))
    s = gst_structure_from_string (text, &end);
  if (s != NULL && *end != '\0')
    gst_clear_structure (&s);
  g_free (text);
  return s;
}

/* Video ---------------------------------------------------------------- */

static gboolean
gst_fc_put_crop (GstByteWriter *w, const GstMeta *meta)
{
  const GstVideoCropMeta *crop = (const GstVideoCropMeta *) meta;

  return gst_byte_writer_put_uint32_le (w, crop->x)
         && gst_byte_writer_put_uint32_le (w, crop->y)
         && gst_byte_writer_put_uint32_le (w, crop->width)
         && gst_byte_writer_put_uint32_le (w, crop->height);
}

static gboolean
gst_fc_get_crop (GstByteReader *r, GstBuffer *buffer)
{
  guint32 x, y, width, height;
  GstVideoCropMeta *crop;

  if (!gst_byte_reader_get_uint32_le (r, &x)
      || !gst_byte_reader_get_uint32_le (r, &y)
      || !gst_byte_reader_get_uint32_le (r, &width)
      || !gst_byte_reader_get_uint32_le (r, &height))
    return FALSE;
  crop = gst_buffer_add_video_crop_meta (buffer);
  crop->x = x;
  crop->y = y;
  crop->width = width;
  crop->height = height;
  return TRUE;
}

static gboolean
gst_fc_put_time_code (GstByteWriter *w, const GstMeta *meta)
{
  const GstVideoTimeCode *tc = &((const GstVideoTimeCodeMeta *) meta)->tc;
  gchar *jam = NULL;
  gboolean ok;

  if (tc->config.latest_daily_jam != NULL)
    jam = g_date_time_format_iso8601 (tc->config.latest_daily_jam);
  ok = gst_byte_writer_put_uint32_le (w, tc->config.fps_n)
       && gst_byte_writer_put_uint32_le (w, tc->config.fps_d)
       && gst_byte_writer_put_uint32_le (w, (guint32) tc->config.flags)
       && gst_byte_writer_put_uint32_le (w, tc->hours)
       && gst_byte_writer_put_uint32_le (w, tc->minutes)
       && gst_byte_writer_put_uint32_le (w, tc->seconds)
       && gst_byte_writer_put_uint32_le (w, tc->frames)
       && gst_byte_writer_put_uint32_le (w, tc->field_count)
       && gst_fc_put_text (w, jam != NULL ? jam : "");
  g_free (jam);
  return ok;
}

static gboolean
gst_fc_get_time_code (GstByteReader *r, GstBuffer *buffer)
{
  guint32 n[8];
  GstVideoTimeCode *tc;
  GDateTime *jam;
  gchar *text;
  gboolean ok;
  guint i;

  for (i = 0; i < G_N_ELEMENTS (n); i++)
    if (!gst_byte_reader_get_uint32_le (r, &n[i]))
      return FALSE;
  text = gst_fc_get_text (r);
  if (text == NULL)
    return FALSE;
  jam = g_date_time_new_from_iso8601 (text, NULL);
  tc = gst_video_time_code_new (n[0], n[1], jam, (GstVideoTimeCodeFlags) n[2],
                                n[3], n[4], n[5], n[6], n[7]);
  /* The library divides by these. */
  ok = n[0] > 0 && n[0] <= G_MAXINT32 && n[1] > 0 && n[1] <= G_MAXINT32
       && (jam != NULL || text[0] == '\0') && gst_video_time_code_is_valid (tc);
  if (ok)
    gst_buffer_add_video_time_code_meta (buffer, tc);
  gst_video_time_code_free (tc);
  g_clear_pointer (&jam, g_date_time_unref);
  g_free (text);
  return ok;
}

static gboolean
gst_fc_put_roi (GstByteWriter *w, const GstMeta *meta)
{
  const GstVideoRegionOfInterestMeta *roi
      = (const GstVideoRegionOfInterestMeta *) meta;
  const gchar *type = g_quark_to_string (roi->roi_type);
  const GList *param;

  if (!gst_fc_put_text (w, type != NULL ? type : "")
      || !gst_byte_writer_put_int32_le (w, roi->id)
      || !gst_byte_writer_put_int32_le (w, roi->parent_id)
      || !gst_byte_writer_put_uint32_le (w, roi->x)
      || !gst_byte_writer_put_uint32_le (w, roi->y)
      || !gst_byte_writer_put_uint32_le (w, roi->w)
      || !gst_byte_writer_put_uint32_le (w, roi->h)
      || !gst_byte_writer_put_uint16_le (w,
                                         (guint16) g_list_length (roi->params)))
    return FALSE;
  for (param = roi->params; param != NULL; param = param->next)
    if (!gst_fc_put_structure (w, param->data))
      return FALSE;
  return TRUE;
}

static gboolean
gst_fc_get_roi (GstByteReader *r, GstBuffer *buffer)
{
  gchar *type = gst_fc_get_text (r);
  GstVideoRegionOfInterestMeta *roi;
  GQuark quark = 0;
  guint32 n[6];
  guint16 params;
  guint i;

  if (type != NULL)
    quark = g_quark_from_string (type);
  g_free (type);
  for (i = 0; i < G_N_ELEMENTS (n); i++)
    if (!gst_byte_reader_get_uint32_le (r, &n[i]))
      return FALSE;
  if (quark == 0 || !gst_byte_reader_get_uint16_le (r, &params))
    return FALSE;
  roi = gst_buffer_add_video_region_of_interest_meta_id (buffer, quark, n[2],
                                                         n[3], n[4], n[5]);
  roi->id = (gint) n[0];
  roi->parent_id = (gint) n[1];
  for (i = 0; i < params; i++)
    {
      GstStructure *s = gst_fc_get_structure (r);

      if (s == NULL)
        return FALSE;
      gst_video_region_of_interest_meta_add_param (roi, s);
    }
  return TRUE;
}

static gboolean
gst_fc_put_caption (GstByteWriter *w, const GstMeta *meta)
{
  const GstVideoCaptionMeta *caption = (const GstVideoCaptionMeta *) meta;

  return caption->size <= FC_META_MAX
         && gst_byte_writer_put_uint32_le (w, (guint32) caption->caption_type)
         && gst_byte_writer_put_data (w, caption->data, (guint) caption->size);
}

/* Whether the library that runs here knows the value. */
static gboolean
gst_fc_is_enum_value (GType type, guint32 value)
{
  GEnumClass *klass = g_type_class_ref (type);
  gboolean known = g_enum_get_value (klass, (gint) value) != NULL;

  g_type_class_unref (klass);
  return known;
}

static gboolean
gst_fc_get_caption (GstByteReader *r, GstBuffer *buffer)
{
  const guint8 *data;
  guint32 type;
  guint size;

  if (!gst_byte_reader_get_uint32_le (r, &type)
      || type == GST_VIDEO_CAPTION_TYPE_UNKNOWN
      || !gst_fc_is_enum_value (GST_TYPE_VIDEO_CAPTION_TYPE, type))
    return FALSE;
  size = gst_byte_reader_get_remaining (r);
  return size > 0 && gst_byte_reader_get_data (r, size, &data)
         && gst_buffer_add_video_caption_meta (
                buffer, (GstVideoCaptionType) type, data, size)
                != NULL;
}

static gboolean
gst_fc_put_active_format (GstByteWriter *w, const GstMeta *meta)
{
  const GstVideoAFDMeta *afd = (const GstVideoAFDMeta *) meta;

  return gst_byte_writer_put_uint8 (w, afd->field)
         && gst_byte_writer_put_uint32_le (w, (guint32) afd->spec)
         && gst_byte_writer_put_uint32_le (w, (guint32) afd->afd);
}

static gboolean
gst_fc_get_active_format (GstByteReader *r, GstBuffer *buffer)
{
  guint32 spec, afd;
  guint8 field;

  return gst_byte_reader_get_uint8 (r, &field) && field <= 1
         && gst_byte_reader_get_uint32_le (r, &spec)
         && gst_byte_reader_get_uint32_le (r, &afd)
         && gst_fc_is_enum_value (GST_TYPE_VIDEO_AFD_SPEC, spec)
         && gst_fc_is_enum_value (GST_TYPE_VIDEO_AFD_VALUE, afd)
         /* ETSI TS 101 154 has no such value */
         && (spec != GST_VIDEO_AFD_SPEC_DVB_ETSI || afd != 0)
         && gst_buffer_add_video_afd_meta (
                buffer, field, (GstVideoAFDSpec) spec, (GstVideoAFDValue) afd)
                != NULL;
}

static gboolean
gst_fc_put_bar (GstByteWriter *w, const GstMeta *meta)
{
  const GstVideoBarMeta *bar = (const GstVideoBarMeta *) meta;

  return gst_byte_writer_put_uint8 (w, bar->field)
         && gst_byte_writer_put_uint8 (w, bar->is_letterbox != FALSE)
         && gst_byte_writer_put_uint32_le (w, bar->bar_data1)
         && gst_byte_writer_put_uint32_le (w, bar->bar_data2);
}

static gboolean
gst_fc_get_bar (GstByteReader *r, GstBuffer *buffer)
{
  guint32 first, second;
  guint8 field, letterbox;

  return gst_byte_reader_get_uint8 (r, &field) && field <= 1
         && gst_byte_reader_get_uint8 (r, &letterbox)
         && gst_byte_reader_get_uint32_le (r, &first)
         && gst_byte_reader_get_uint32_le (r, &second)
         && gst_buffer_add_video_bar_meta (buffer, field, letterbox != 0, first,
                                           second)
                != NULL;
}

static gboolean
gst_fc_put_affine (GstByteWriter *w, const GstMeta *meta)
{
  const GstVideoAffineTransformationMeta *affine
      = (const GstVideoAffineTransformationMeta *) meta;
  guint i;

  for (i = 0; i < G_N_ELEMENTS (affine->matrix); i++)
    if (!gst_byte_writer_put_float32_le (w, affine->matrix[i]))
      return FALSE;
  return TRUE;
}

static gboolean
gst_fc_get_affine (GstByteReader *r, GstBuffer *buffer)
{
  gfloat matrix[16];
  guint i;

  for (i = 0; i < G_N_ELEMENTS (matrix); i++)
    if (!gst_byte_reader_get_float32_le (r, &matrix[i]))
      return FALSE;
  memcpy (gst_buffer_add_video_affine_transformation_meta (buffer)->matrix,
          matrix, sizeof (matrix));
  return TRUE;
}

/* Audio, and any ------------------------------------------------------- */

static gboolean
gst_fc_put_audio_clipping (GstByteWriter *w, const GstMeta *meta)
{
  const GstAudioClippingMeta *clip = (const GstAudioClippingMeta *) meta;

  return gst_byte_writer_put_uint32_le (w, (guint32) clip->format)
         && gst_byte_writer_put_uint64_le (w, clip->start)
         && gst_byte_writer_put_uint64_le (w, clip->end);
}

static gboolean
gst_fc_get_audio_clipping (GstByteReader *r, GstBuffer *buffer)
{
  guint32 format;
  guint64 start, end;

  return gst_byte_reader_get_uint32_le (r, &format)
         && gst_byte_reader_get_uint64_le (r, &start)
         && gst_byte_reader_get_uint64_le (r, &end)
         && format != GST_FORMAT_UNDEFINED
         && gst_fc_is_enum_value (GST_TYPE_FORMAT, format)
         && gst_buffer_add_audio_clipping_meta (buffer, (GstFormat) format,
                                                start, end)
                != NULL;
}

static gboolean
gst_fc_put_reference_timestamp (GstByteWriter *w, const GstMeta *meta)
{
  const GstReferenceTimestampMeta *reference
      = (const GstReferenceTimestampMeta *) meta;

  return gst_caps_is_fixed (reference->reference)
         && gst_byte_writer_put_uint64_le (w, reference->timestamp)
         && gst_byte_writer_put_uint64_le (w, reference->duration)
         && gst_fc_put_structure (
             w, gst_caps_get_structure (reference->reference, 0));
}

static gboolean
gst_fc_get_reference_timestamp (GstByteReader *r, GstBuffer *buffer)
{
  guint64 timestamp, duration;
  GstStructure *s;
  GstCaps *caps;

  if (!gst_byte_reader_get_uint64_le (r, &timestamp)
      || !gst_byte_reader_get_uint64_le (r, &duration)
      || !GST_CLOCK_TIME_IS_VALID (timestamp))
    return FALSE;
  s = gst_fc_get_structure (r);
  if (s == NULL)
    return FALSE;
  caps = gst_caps_new_full (s, NULL);
  gst_buffer_add_reference_timestamp_meta (buffer, caps, timestamp, duration);
  gst_caps_unref (caps);
  return TRUE;
}

static gboolean
gst_fc_put_protection (GstByteWriter *w, const GstMeta *meta)
{
  return gst_fc_put_structure (w, ((const GstProtectionMeta *) meta)->info);
}

static gboolean
gst_fc_get_protection (GstByteReader *r, GstBuffer *buffer)
{
  GstStructure *s = gst_fc_get_structure (r);

  return s != NULL && gst_buffer_add_protection_meta (buffer, s) != NULL;
}

static gboolean
gst_fc_put_custom (GstByteWriter *w, const GstMeta *meta)
{
  return gst_fc_put_text (w, g_type_name (meta->info->type))
         && gst_fc_put_structure (
             w, gst_custom_meta_get_structure ((GstCustomMeta *) meta));
}

static void
gst_fc_copy_fields (GstStructure *to, const GstStructure *from)
{
  gint i;

  for (i = 0; i < gst_structure_n_fields (from); i++)
    {
      const gchar *name = gst_structure_nth_field_name (from, (guint) i);

      gst_structure_set_value (to, name, gst_structure_get_value (from, name));
    }
}

/* Who wants to see it has registered it. One that nobody here knows is
 * skipped. */
static gboolean
gst_fc_get_custom (GstByteReader *r, GstBuffer *buffer)
{
  gchar *name = gst_fc_get_text (r);
  const GstMetaInfo *info = name != NULL ? gst_meta_get_info (name) : NULL;
  GstStructure *s = gst_fc_get_structure (r);
  gboolean ok = name != NULL && s != NULL;
  GstCustomMeta *custom;

  if (ok && info != NULL)
    {
      ok = gst_meta_info_is_custom (info);
      custom = ok ? gst_buffer_add_custom_meta (buffer, name) : NULL;
      if (custom != NULL)
        gst_fc_copy_fields (gst_custom_meta_get_structure (custom), s);
    }
  gst_clear_structure (&s);
  g_free (name);
  return ok;
}

/* All of them ---------------------------------------------------------- */

static const GstFcMetaCodec codecs[] = {
  { GST_FC_META_CROP, gst_video_crop_meta_api_get_type, gst_fc_put_crop,
    gst_fc_get_crop },
  { GST_FC_META_TIME_CODE, gst_video_time_code_meta_api_get_type,
    gst_fc_put_time_code, gst_fc_get_time_code },
  { GST_FC_META_REGION_OF_INTEREST,
    gst_video_region_of_interest_meta_api_get_type, gst_fc_put_roi,
    gst_fc_get_roi },
  { GST_FC_META_CAPTION, gst_video_caption_meta_api_get_type,
    gst_fc_put_caption, gst_fc_get_caption },
  { GST_FC_META_REFERENCE_TIMESTAMP, gst_reference_timestamp_meta_api_get_type,
    gst_fc_put_reference_timestamp, gst_fc_get_reference_timestamp },
  { GST_FC_META_AUDIO_CLIPPING, gst_audio_clipping_meta_api_get_type,
    gst_fc_put_audio_clipping, gst_fc_get_audio_clipping },
  { GST_FC_META_ACTIVE_FORMAT, gst_video_afd_meta_api_get_type,
    gst_fc_put_active_format, gst_fc_get_active_format },
  { GST_FC_META_BAR, gst_video_bar_meta_api_get_type, gst_fc_put_bar,
    gst_fc_get_bar },
  { GST_FC_META_AFFINE, gst_video_affine_transformation_meta_api_get_type,
    gst_fc_put_affine, gst_fc_get_affine },
  { GST_FC_META_PROTECTION, gst_protection_meta_api_get_type,
    gst_fc_put_protection, gst_fc_get_protection },
  { GST_FC_META_CUSTOM, NULL, gst_fc_put_custom, gst_fc_get_custom },
};

const GstFcMetaCodec *
gst_fc_meta_find_codec (const GstMetaInfo *info)
{
  const gboolean custom = gst_meta_info_is_custom (info);
  guint i;

  for (i = 0; i < G_N_ELEMENTS (codecs); i++)
    if (codecs[i].api != NULL ? codecs[i].api () == info->api : custom)
      return &codecs[i];
  return NULL;
}

const GstFcMetaCodec *
gst_fc_meta_get_codec (guint type)
{
  guint i;

  for (i = 0; i < G_N_ELEMENTS (codecs); i++)
    if ((guint) codecs[i].type == type)
      return &codecs[i];
  return NULL;
}
