// SPDX-License-Identifier: Apache-2.0
import BlockFormats
import Decoder
import Foundation
import GGUF
import TestSupport
import Tokenization
import TrimLLaVA

extension FuzzTarget {
    private static let file = FuzzFile()
    /// Tensors with more elements are not decoded.
    private static let mostElements = 1 << 16

    /// A GGUF file: metadata, tensor table, vocabulary, configurations.
    static let ggufFile = FuzzTarget("gguf") { bytes in
        let opened = try GGUFFile(path: file.holding(bytes))
        read(opened)
        _ = Result { try Tokenizer(metadata: opened.metadata).encode("a b", addSpecial: true) }
        _ = Result { try DecoderConfig(opened.metadata) }
    }

    /// A GGUF file in two parts; the second one starts where the magic number comes again.
    static let splitFile = FuzzTarget("split-gguf") { bytes in
        let magic = Array("GGUF".utf8)
        guard let second = bytes.dropFirst().firstRange(of: magic)?.lowerBound else { return }
        _ = parts[1].holding(Array(bytes[second...]))
        read(try GGUFFile(path: parts[0].holding(Array(bytes[..<second]))))
    }

    private static let parts: [FuzzFile] = {
        let folder = FuzzFolder()
        return ["part-00001-of-00002.gguf", "part-00002-of-00002.gguf"].map(folder.file)
    }()

    private static func read(_ opened: GGUFFile) {
        for (key, value) in opened.metadata.entries {
            precondition(opened.metadata[key] != nil)
            if case .array(let elements) = value { _ = elements.prefix(10) }
        }
        for tensor in opened.tensors where tensor.shape.reduce(1, { $0 &* $1 }) <= mostElements {
            _ = tensor.floats()
        }
    }

    /// Blocks of the format that the first byte names.
    static let blocks = FuzzTarget("blocks") { bytes in
        guard let first = bytes.first else { return }
        let formats = BlockFormat.allCases
        let format = formats[Int(first) % formats.count]
        let count = (bytes.count - 1) / format.blockBytes * format.blockLength
        var numbers = [Float](repeating: 0, count: count)
        // A buffer of its own, so that the sanitizer sees a read beyond the last block.
        let stored = [UInt8](bytes[1..<1 + format.byteCount(of: count)])
        stored.withUnsafeBytes { source in
            guard let source = source.baseAddress else { return }
            numbers.withUnsafeMutableBufferPointer {
                $0.baseAddress.map { format.decode(source, count: count, into: $0) }
            }
        }
    }

    private static let textModel = Fixture.path("models/llava-1.5-gqa/llava-1.5-gqa-f32.gguf")
    /// A folder with a cache of the text model, and that cache.
    private static let cache: (folder: String, file: FuzzFile, bytes: [UInt8]) = {
        let folder = NSTemporaryDirectory() + "trimllava-fuzz-cache-\(getpid())"
        do {
            _ = try LLaVA(text: textModel, options: LoadOptions(threadCount: 1, packCache: folder))
            let names = try FileManager.default.contentsOfDirectory(atPath: folder)
            guard let name = names.first(where: { $0.hasSuffix(".panels") }) else {
                preconditionFailure("no cache in \(folder)")
            }
            atexit { try? FileManager.default.removeItem(atPath: FuzzTarget.cache.folder) }
            let path = "\(folder)/\(name)"
            let bytes = try [UInt8](Data(contentsOf: URL(fileURLWithPath: path)))
            return (folder, FuzzFile(at: path), bytes)
        } catch {
            preconditionFailure("\(error)")
        }
    }()

    /// A file of packed weights with other bytes at the place that the first four name, or cut there: the model loads.
    static let packCache = FuzzTarget("pack-cache") { bytes in
        guard bytes.count >= 4 else { return }
        let place = bytes[..<4].reduce(0) { $0 << 8 | Int($1) } % cache.bytes.count
        let other = bytes.dropFirst(4).prefix(cache.bytes.count - place)
        var changed = cache.bytes
        if other.isEmpty { changed.removeSubrange(place...) }
        changed.replaceSubrange(place..<place + other.count, with: other)
        _ = cache.file.holding(changed)
        _ = try LLaVA(
            text: textModel, options: LoadOptions(threadCount: 1, packCache: cache.folder))
    }
}
