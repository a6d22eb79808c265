// SPDX-License-Identifier: Apache-2.0
import Families
import Pictures
import TokenPruning

extension PictureLimit {
    /// The option of the program that sets it.
    package var option: String {
        switch self {
        case .tiles: "--max-tiles"
        case .pixels: "--max-pixels"
        }
    }
}

/// Says when pictures become very many visual tokens although they need not.
package struct ManyTokensNote: Sendable {
    /// More than any picture becomes for LLaVA-NeXT and SmolVLM.
    package static let many = 3000

    /// What makes them fewer, as whoever reads the note writes it.
    private let remedies: [String]

    /// Nil where the user has set a limit or a budget, and where all pictures take the same rows.
    ///
    /// - Parameters:
    ///   - keep: the budget of all answers; nil where some are about whole pictures.
    ///   - remedies: what makes the tokens of a model fewer that has such a limit.
    package init?(
        _ llava: LLaVA, keep: KeepBudget? = nil, remedies: (PictureLimit) -> [String]
    ) {
        let limits = llava.visionLimits
        guard let limit = llava.model.pictureLimit, keep == nil, limits.mostTiles == nil,
            limits.mostPixels == nil
        else { return nil }
        self.remedies = remedies(limit)
    }

    /// The note about pictures of so many visual tokens; nil where that is not many.
    ///
    /// - Parameter subject: the pictures and what they do, such as `a.jpg becomes`.
    package func text(_ subject: String, tokens: Int) -> String? {
        guard tokens > Self.many else { return nil }
        return "\(subject) \(tokens) visual tokens, which take long to read; "
            + "\(remedies.joined(separator: " and ")) make\(remedies.count == 1 ? "s" : "") them fewer"
    }
}
