// SPDX-License-Identifier: Apache-2.0
import Decoder
import Pictures
import TensorOps
import Tokenization

/// What a row of a sequence stands for: rows after equal ones have equal keys and values.
struct RowIdentity: Equatable {
    enum Content: Equatable {
        case token(TokenID)
        /// A row of a picture, counted from its first.
        case visual(PictureKey, row: Int32)
        /// A row of a picture that is not known again.
        case unknown
    }

    let content: Content
    let position: Position

    /// Two rows of pictures that are not known again differ.
    static func == (left: RowIdentity, right: RowIdentity) -> Bool {
        left.content != .unknown && left.content == right.content
            && left.position == right.position
    }
}

/// Sequences in the cache whose first rows others may share: what many prompts start with, and answers that
/// are likely to be continued.
///
/// It belongs to one thread at a time.
final class SharedPrefixes {
    /// Where a sequence comes from.
    enum Origin {
        /// A prompt and its answer, which are likely to be continued.
        case answer
        /// Rows that many prompts start with.
        case template
        /// The same, read from a file.
        case storedTemplate
    }

    private struct Entry {
        let rows: [RowIdentity]
        let cache: KeyValueCache
        let origin: Origin

        /// Whether many prompts start with these rows.
        var isTemplate: Bool { origin != .answer }
    }

    /// The rows that a prompt has in common with a sequence.
    struct Match {
        let cache: KeyValueCache
        let count: Int
        let origin: Origin
    }

    /// Sequences that are kept: comparing a prompt with each of them costs microseconds, and pages run out first.
    private static let most = 16

    /// The one used last comes last.
    private var entries: [Entry] = []

    /// Whether there is something that many prompts start with.
    var hasTemplate: Bool { entries.contains(where: \.isTemplate) }

    /// The sequence that has most of a prompt's first rows; nil where there is none, or where many
    /// prompts start with less than a page.
    ///
    /// The last row must run, for its scores, and is not looked for.
    func longest(of rows: [RowIdentity]) -> Match? {
        var (best, length) = (0, 0)
        for (index, entry) in entries.enumerated() {
            let common = zip(entry.rows, rows.dropLast()).prefix { $0 == $1 }.count
            // The first rows of a template are not worth a page's copy, those of a conversation are.
            guard common >= (entry.isTemplate ? CachePageLayout.tokens : 1) else { continue }
            if common >= length { (best, length) = (index, common) }
        }
        guard length > 0 else { return nil }
        let entry = entries.remove(at: best)
        entries.append(entry)
        return Match(cache: entry.cache, count: length, origin: entry.origin)
    }

    /// Keeps a sequence that will not grow.
    func keep(_ rows: [RowIdentity], _ cache: KeyValueCache, _ origin: Origin) {
        let entry = Entry(rows: rows, cache: cache, origin: origin)
        // A conversation's earlier turns need no entries of their own.
        entries.removeAll {
            $0.isTemplate == entry.isTemplate && rows.starts(with: $0.rows)
        }
        if entries.count == Self.most { entries.removeFirst() }
        entries.append(entry)
    }

    /// Gives back the pages of the sequence that was not used for the longest time; false when there is none.
    func dropOldest(alsoTemplates: Bool) -> Bool {
        let oldest =
            entries.firstIndex { !$0.isTemplate } ?? (alsoTemplates ? entries.indices.first : nil)
        guard let oldest else { return false }
        entries.remove(at: oldest)
        return true
    }
}
