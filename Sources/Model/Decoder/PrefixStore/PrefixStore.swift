// SPDX-License-Identifier: Apache-2.0
import FileOutput
import Foundation
import GGUF
import Synchronization
import TensorOps
import Weights

/// Keys and values of what prompts start with, such as the text of a chat template, kept in files between starts.
///
/// Rows depend on those before them alone, so they are the same bits at every start. A file belongs to one version of
/// the weights, of the program and of all settings that rows depend on. Whatever is wrong with a file or the folder is
/// a warning, and the rows are computed again.
public final class PrefixStore: Sendable {
    /// The most files in a folder, and the most bytes of all of them; the oldest go first.
    static let most = (files: 16, bytes: 1 << 30)

    private let folder: String
    private let name: String
    private let source: String
    private let ops: TensorOps
    private let onWarning: @Sendable (String) -> Void
    /// Whether files can be written, as far as is known.
    private let isWritable = Atomic<Bool>(true)

    /// The store of a text model in a folder, which the first file makes.
    ///
    /// - Parameters:
    ///   - context: rows that a sequence may have; some models choose their rotary embedding by it.
    ///   - version: the program's version.
    package init(
        folder: String, of file: GGUFFile, _ packing: PackingOptions, context: Int,
        _ ops: TensorOps, version: String = Release.version
    ) {
        self.folder = folder
        self.ops = ops
        onWarning = packing.onWarning
        source = [
            file.identityText, "rounding \(packing.floatEncoding?.rawValue ?? "none")",
            "activations \(ops.activationMode.rawValue)", "kernels \(ops.kernels.name)",
            "context \(context)", "version \(version)",
        ].joined(separator: "; ")
        name = file.cacheName(source)
    }

    /// The longest sequence of a file that a prompt starts with, at least a page, in a pool.
    ///
    /// - Parameter tokens: the prompt's first rows, as far as they are tokens.
    /// - Throws: `ModelError.outOfCachePages`.
    public func longest(
        of tokens: [Int32], in pool: CachePagePool
    ) throws(ModelError) -> KeyValueCache? {
        var found: [(path: String, prefix: StoredPrefix, count: Int)] = []
        for path in paths(for: pool) {
            do {
                let prefix = try StoredPrefix(
                    path: path, source: source(for: pool), pageBytes: pool.layout.byteCount)
                let count = zip(prefix.tokens, tokens).prefix { $0 == $1 }.count
                if count >= CachePageLayout.tokens { found.append((path, prefix, count)) }
            } catch {
                warn(of: error, path)
            }
        }
        for (path, prefix, count) in found.sorted(by: { $0.count > $1.count }) {
            if let cache = try prefix.rows(count, in: pool, ops.pool) { return cache }
            warn(of: .damaged, path)
        }
        return nil
    }

    /// Whether a sequence of so many rows would be kept.
    public func takes(_ rows: Int, of layout: CachePageLayout) -> Bool {
        isWritable.load(ordering: .relaxed) && rows >= CachePageLayout.tokens
            && CachePageLayout.pageCount(rows) * layout.byteCount <= Self.most.bytes / 4
    }

    /// Keeps a sequence, whose unused slots are zero, in a file.
    ///
    /// After a failure no more are written.
    public func keep(_ cache: KeyValueCache, of tokens: [Int32]) {
        let digits = String(tokens.withUnsafeBytes { fingerprint(of: $0) }, radix: 16)
        let path = "\(stem(for: cache.pool))\(digits).\(Self.ending)"
        do {
            makeRoom(for: cache.contents.reduce(0) { $0 + $1.count })
            try StoredPrefix.write(
                cache, of: tokens, source: source(for: cache.pool), to: path, ops.pool)
        } catch {
            isWritable.store(false, ordering: .relaxed)
            onWarning("\(error); what prompts start with is computed at every start")
        }
    }

    private static let ending = "prefix"

    private func source(for pool: CachePagePool) -> String {
        "\(source); KV cache \(pool.layout.format.rawValue)"
    }

    /// What the paths of this store's files begin with.
    private func stem(for pool: CachePagePool) -> String {
        "\(folder)/\(name)-\(pool.layout.format.rawValue)-"
    }

    /// The files of this store, in a fixed order.
    private func paths(for pool: CachePagePool) -> [String] {
        let stem = stem(for: pool)
        return allPaths.filter { $0.hasPrefix(stem) }.sorted()
    }

    /// The files of all stores in the folder.
    private var allPaths: [String] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
        return names.filter { $0.hasSuffix(".\(Self.ending)") }.map { "\(folder)/\($0)" }
    }

    /// Deletes the oldest files, so that one more does not exceed the limits.
    private func makeRoom(for bytes: Int) {
        let files = allPaths.filter(StoredPrefix.isOne).compactMap { path in
            FileStatus(FilePath(path)).map { (path: path, version: $0.version) }
        }.sorted { $0.version.modified > $1.version.modified }
        var (count, sum) = (1, bytes)
        for file in files {
            count += 1
            sum += file.version.size
            guard count > Self.most.files || sum > Self.most.bytes else { continue }
            try? FileManager.default.removeItem(atPath: file.path)
        }
    }

    private func warn(of refusal: CacheFile.Refusal, _ path: String) {
        switch refusal {
        // Another process has deleted it.
        case .missing: break
        case .stale: onWarning("\(path): made from another model or with other settings; not used")
        case .damaged: onWarning("\(path): damaged; what prompts start with is computed again")
        case .unreadable(let reason): onWarning("\(path): cannot be read: \(reason)")
        }
    }
}
