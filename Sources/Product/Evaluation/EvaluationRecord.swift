// SPDX-License-Identifier: Apache-2.0

/// What a model answered to one question at one setting.
///
/// In a file each is a line of JSON, its keys in snake case.
public struct EvaluationRecord: Codable, Sendable, Hashable {
    /// The question's.
    public let id: String
    /// The setting's name.
    public let setting: String
    /// The answer; nil where there is none.
    public let text: String?
    /// Why there is none.
    public let error: String?
    /// Visual tokens before pruning.
    public let visualTokens: Int
    /// Visual tokens that entered the decoder.
    public let keptTokens: Int
    /// What was asked, and how; nil in files that do not tell.
    public let key: AnswerKey?

    /// The names that fields had in files without a `schema_version`.
    private enum EarlierKeys: String, CodingKey {
        case answer, visual, kept
    }

    init(
        id: String, setting: String, text: String?, error: String?, visualTokens: Int,
        keptTokens: Int, key: AnswerKey? = nil
    ) {
        self.id = id
        self.setting = setting
        self.text = text
        self.error = error
        self.visualTokens = visualTokens
        self.keptTokens = keptTokens
        self.key = key
    }

    /// Reads a record, also one with the earlier names.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        let earlier = try decoder.container(keyedBy: EarlierKeys.self)
        id = try container.decode(String.self, forKey: .id)
        setting = try container.decode(String.self, forKey: .setting)
        text =
            try container.decodeIfPresent(String.self, forKey: .text)
            ?? earlier.decodeIfPresent(String.self, forKey: .answer)
        error = try container.decodeIfPresent(String.self, forKey: .error)
        visualTokens =
            try container.decodeIfPresent(Int.self, forKey: .visualTokens)
            ?? earlier.decode(Int.self, forKey: .visual)
        keptTokens =
            try container.decodeIfPresent(Int.self, forKey: .keptTokens)
            ?? earlier.decode(Int.self, forKey: .kept)
        key = try container.decodeIfPresent(AnswerKey.self, forKey: .key)
    }
}
