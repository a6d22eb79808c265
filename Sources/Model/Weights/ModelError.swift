// SPDX-License-Identifier: Apache-2.0
import GGUF
import TensorOps

/// Why a pair of files cannot be run, or why a run had to stop.
public enum ModelError: Error, Equatable {
    /// A file is damaged or not GGUF.
    case file(GGUFError)
    /// The file holds a model that this runtime does not compute.
    case unsupported(file: String, key: String, value: String, supported: String)
    /// A metadata value is outside the range of any such model.
    case invalidValue(file: String, key: String, value: String, expected: String)
    /// A context that is empty, or longer than the model was trained for.
    case contextOutOfRange(file: String, context: Int, trained: Int)
    /// A tensor that the architecture needs is missing.
    case missingTensor(file: String, name: String)
    /// A tensor's shape contradicts the metadata.
    case wrongShape(file: String, tensor: String, found: [Int], expected: [Int])
    /// The projector's file was not trained with the text model.
    case mismatchedPair(projector: String, text: String, why: PairMismatch)
    /// The middle square of a picture was asked for, but the model sees whole pictures.
    case cannotCrop(projector: String)
    /// Frames of a video are asked about that the model reads as pictures, if at all.
    case noVideos(projector: String)
    /// The text model was given as the projector's file, and the other way round.
    case exchangedFiles(text: String, projector: String)
    /// A vision tower and projector was given as the text model.
    case notTextModel(file: String)
    /// A text model was given as the vision tower and projector.
    case notProjector(file: String)
    /// A picture came to a text model without a vision tower and projector.
    case noProjector(text: String)
    /// The system does not grant the memory of a KV cache.
    case cacheTooLarge(rows: Int, bytesPerRow: Int)
    /// The system does not grant the memory of something that a picture needs.
    case noMemory(place: String, byteCount: Int)
    /// More rows are asked for than the KV cache's free pages hold.
    case outOfCachePages(rows: Int, pages: Int, free: Int, capacity: Int)
    /// The heads' width does not suit the KV cache's format.
    case cacheFormatMismatch(format: String, headWidth: Int, multiple: Int)
    /// A weight's scale is non-finite.
    case weightNotFinite(file: String, tensor: String, row: Int)
    /// The control groups of this process have less memory than the model and one answer need.
    case groupTooSmall(needed: Int, free: Int)
    /// The system does not grant the memory of a matrix.
    case weightsTooLarge(file: String, tensor: String, bytes: Int)
    /// A layer computed a non-finite number.
    case notFinite(place: String)
    /// The run was cancelled.
    case cancelled
}

/// Why a projector was not trained with a text model.
public enum PairMismatch: Sendable, Equatable {
    /// The projector makes rows of another width than the decoder takes.
    case width(projector: Int, text: Int)
    /// The decoder has another architecture than those that the projector was trained with.
    case architecture(String, expected: [String])
    /// The vocabulary lacks a token that stands in or beside pictures.
    case marker(String)
}

extension PairMismatch: CustomStringConvertible {
    /// A part of a sentence for the user.
    public var description: String {
        switch self {
        case .width(let projector, let text):
            "the projector makes rows of \(projector) numbers, the text model takes \(text)"
        case .architecture(let found, let expected):
            "the text model is a \(found), the projector's is a \(expected.joined(separator: " or "))"
        case .marker(let token):
            "the text model has no token \(token), by which the projector's family marks pictures"
        }
    }
}

extension ModelError: CustomStringConvertible {
    /// One sentence for the user.
    public var description: String {
        switch self {
        case .file(let error):
            "\(error)"
        case .unsupported(let file, let key, let value, let supported):
            "\(file): \(key) is \(value), which is not supported; supported: \(supported)"
        case .invalidValue(let file, let key, let value, let expected):
            "\(file): \(key) is \(value), expected \(expected)"
        case .contextOutOfRange(let file, let context, let trained):
            """
            \(file): the context has \(context) rows, expected 1 to \(trained), the model's context \
            length
            """
        case .missingTensor(let file, let name):
            "\(file): tensor \(name) is missing"
        case .wrongShape(let file, let tensor, let found, let expected):
            "\(file): tensor \(tensor) has shape \(found), expected \(expected)"
        case .mismatchedPair(let projector, let text, let why):
            "\(projector) and \(text) do not belong together: \(why)"
        case .noVideos(let projector):
            "\(projector): the model reads no videos; only LLaVA-OneVision does; others take frames as pictures"
        case .cannotCrop(let projector):
            "\(projector): the model sees whole pictures; only LLaVA-1.5 and LLaVA-1.0 see their middle squares"
        case .exchangedFiles(let text, let projector):
            """
            the two files are exchanged: \(text) is a vision tower and projector, the mmproj file, and \
            \(projector) a text model
            """
        case .notTextModel(let file):
            "\(file): is a vision tower and projector, the mmproj file, expected a text model"
        case .notProjector(let file):
            "\(file): is a text model, expected a vision tower and projector, the mmproj file"
        case .noProjector(let text):
            "\(text) has no vision projector, the mmproj file, which pictures need"
        case .noMemory(let place, let byteCount):
            "there is no memory for the \(byteCount) bytes of \(place)"
        case .cacheTooLarge(let rows, let bytesPerRow):
            """
            there is no memory for a KV cache of \(rows) rows, \(bytesPerRow) bytes each; a shorter \
            context needs less
            """
        case .outOfCachePages(let rows, let pages, let free, let capacity):
            """
            \(rows) rows need \(pages) pages of the KV cache, but only \(free) of its \(capacity) \
            are free; a shorter prompt or answer needs fewer
            """
        case .cacheFormatMismatch(let format, let headWidth, let multiple):
            """
            a KV cache in \(format) holds heads whose width is a multiple of \(multiple), but the \
            model's is \(headWidth)
            """
        case .weightNotFinite(let file, let tensor, let row):
            "\(file): row \(row) of tensor \(tensor) has a scale that is not finite"
        case .groupTooSmall(let needed, let free):
            """
            the model and one answer need \(needed) bytes of memory, but the control group of this process has only \
            \(free) left
            """
        case .weightsTooLarge(let file, let tensor, let bytes):
            "\(file): there is no memory for the \(bytes) bytes of tensor \(tensor)"
        case .notFinite(let place):
            "\(place) computed a number that is not finite; the weights are damaged or out of range"
        case .cancelled:
            "cancelled"
        }
    }
}

/// Returns what `body` returns, and turns a shortage of memory into an error that names `place`.
package func granted<Value>(
    _ place: String, _ body: () throws(MemoryShortage) -> Value
) throws(ModelError) -> Value {
    do { return try body() } catch {
        throw .noMemory(place: place, byteCount: error.byteCount)
    }
}
