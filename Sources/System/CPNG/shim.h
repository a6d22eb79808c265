// SPDX-License-Identifier: Apache-2.0
#ifndef CPNG_SHIM_H
#define CPNG_SHIM_H

// libpng reports errors by setjmp and longjmp, which Swift cannot call. Its simplified API returns
// instead, but converts gamma and premultiplies 16-bit colours with alpha. So the few calls of the
// ordinary API that read and write a picture as 8-bit RGB are bracketed here, in C.

#include <png.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

/// How reading or writing a PNG ended.
enum CPNGResult { CPNGComplete, CPNGTruncated, CPNGDamaged, CPNGUnwritten };

/// A PNG in memory, how much of it is read, and what was wrong with it.
struct CPNGSource {
    const uint8_t *bytes;
    size_t count;
    size_t offset;
    enum CPNGResult result;
    char message[128];
};

static void cpng_read_bytes(png_structp png, png_bytep destination, size_t count) {
    struct CPNGSource *source = (struct CPNGSource *)png_get_io_ptr(png);
    if (count > source->count - source->offset) {
        source->result = CPNGTruncated;
        png_error(png, "the data ends");
    }
    for (size_t i = 0; i < count; i++) destination[i] = source->bytes[source->offset + i];
    source->offset += count;
}

static void cpng_fail(png_structp png, png_const_charp message) {
    struct CPNGSource *source = (struct CPNGSource *)png_get_error_ptr(png);
    if (source->result == CPNGComplete) source->result = CPNGDamaged;
    snprintf(source->message, sizeof source->message, "%s", message);
    png_longjmp(png, 1);
}

static void cpng_ignore(png_structp png, png_const_charp message) {
    (void)png;
    (void)message;
}

/// Asks for 8-bit RGB whatever the file holds: 16-bit samples lose their low byte. With four channels, alpha is
/// kept or filled in; with three it is dropped.
static int cpng_expect_rgb(png_structp png, png_infop info, uint32_t channels) {
    png_set_palette_to_rgb(png);
    png_set_expand_gray_1_2_4_to_8(png);
    png_set_strip_16(png);
    png_set_gray_to_rgb(png);
    if (channels == 4) {
        png_set_tRNS_to_alpha(png);
        png_set_add_alpha(png, 0xFF, PNG_FILLER_AFTER);
    } else {
        png_set_strip_alpha(png);
    }
    int passes = png_set_interlace_handling(png);
    png_read_update_info(png, info);
    return passes;
}

/// Decodes a PNG into `height` rows of `width` RGB or RGBA pixels; both must be what its header says.
static inline void cpng_decode(
    struct CPNGSource *source, uint32_t width, uint32_t height, uint32_t channels,
    uint8_t *pixels) {
    png_structp png =
        png_create_read_struct(PNG_LIBPNG_VER_STRING, source, cpng_fail, cpng_ignore);
    png_infop info = png ? png_create_info_struct(png) : NULL;
    if (!info) {
        source->result = CPNGDamaged;
        snprintf(source->message, sizeof source->message, "libpng cannot start");
        png_destroy_read_struct(&png, NULL, NULL);
        return;
    }
    if (setjmp(png_jmpbuf(png)) == 0) {
        png_set_read_fn(png, source, cpng_read_bytes);
        png_set_user_limits(png, width, height);
        // Colour profiles, gamma and texts play no part, as in Pillow.
        png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, NULL, -1);
        png_read_info(png, info);
        int passes = cpng_expect_rgb(png, info, channels);
        if (png_get_image_width(png, info) != width || png_get_image_height(png, info) != height
            || png_get_rowbytes(png, info) != (size_t)width * channels) {
            png_error(png, "the header contradicts itself");
        }
        for (int pass = 0; pass < passes; pass++) {
            for (uint32_t row = 0; row < height; row++) {
                png_read_row(png, pixels + (size_t)row * width * channels, NULL);
            }
        }
    }
    png_destroy_read_struct(&png, &info, NULL);
}

/// Undoes zlib's compression of a text; `count` is the room for it, and then its length. 0 where the data are
/// damaged or there is too little room.
static inline int cpng_inflate(
    const uint8_t *source, size_t source_count, uint8_t *text, size_t *count) {
    uLongf length = *count;
    int status = uncompress(text, &length, source, source_count);
    *count = length;
    return status == Z_OK;
}

/// A PNG as it grows in memory, which the caller frees, and why it did not come to its end.
struct CPNGSink {
    uint8_t *bytes;
    size_t count;
    size_t capacity;
    enum CPNGResult result;
    char message[128];
};

static void cpng_write_bytes(png_structp png, png_bytep source, size_t count) {
    struct CPNGSink *sink = (struct CPNGSink *)png_get_io_ptr(png);
    if (count > sink->capacity - sink->count) {
        size_t capacity = sink->capacity * 2 + count + 4096;
        uint8_t *bytes = (uint8_t *)realloc(sink->bytes, capacity);
        if (!bytes) png_error(png, "out of memory");
        sink->bytes = bytes;
        sink->capacity = capacity;
    }
    memcpy(sink->bytes + sink->count, source, count);
    sink->count += count;
}

static void cpng_flush_nothing(png_structp png) { (void)png; }

static void cpng_fail_writing(png_structp png, png_const_charp message) {
    struct CPNGSink *sink = (struct CPNGSink *)png_get_error_ptr(png);
    sink->result = CPNGUnwritten;
    snprintf(sink->message, sizeof sink->message, "%s", message);
    png_longjmp(png, 1);
}

/// Encodes `height` rows of `width` RGB pixels; `sink` must be zero.
static inline void cpng_encode(
    struct CPNGSink *sink, uint32_t width, uint32_t height, const uint8_t *pixels) {
    png_structp png =
        png_create_write_struct(PNG_LIBPNG_VER_STRING, sink, cpng_fail_writing, cpng_ignore);
    png_infop info = png ? png_create_info_struct(png) : NULL;
    if (!info) {
        sink->result = CPNGUnwritten;
        snprintf(sink->message, sizeof sink->message, "libpng cannot start");
        png_destroy_write_struct(&png, NULL);
        return;
    }
    if (setjmp(png_jmpbuf(png)) == 0) {
        png_set_write_fn(png, sink, cpng_write_bytes, cpng_flush_nothing);
        png_set_user_limits(png, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
        png_set_IHDR(
            png, info, width, height, 8, PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE,
            PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
        png_write_info(png, info);
        for (uint32_t row = 0; row < height; row++) {
            png_write_row(png, pixels + (size_t)row * width * 3);
        }
        png_write_end(png, info);
    }
    png_destroy_write_struct(&png, &info);
}

#endif
