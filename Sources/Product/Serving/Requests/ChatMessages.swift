// SPDX-License-Identifier: Apache-2.0
import Imaging
import Tokenization
import TrimLLaVA

/// The messages of a request as a conversation.
struct ChatMessages: Sendable {
    /// Who speaks.
    enum Role: String {
        case system
        case developer
        case user
        case assistant
    }

    /// A part of a message, as an API writes it.
    enum Part {
        case text(String)
        case picture(PictureReader.Input)
    }

    private(set) var turns: [ChatTurn] = []
    private(set) var system: String?
    private(set) var pictures: [PictureReader.Input] = []

    private let mostPictures: Int

    /// No message yet.
    init(mostPictures: Int) {
        self.mostPictures = mostPictures
    }

    /// Adds what somebody says.
    ///
    /// Instructions before the first question make the system prompt; later ones, and several messages of a user in a
    /// row, belong to one question.
    ///
    /// - Parameter place: where the message is in the body.
    mutating func append(_ role: Role, _ parts: [Part], place: String) throws(APIError) {
        switch role {
        case .assistant:
            guard let last = turns.indices.last, turns[last].answer == nil else {
                throw .invalid(
                    "\(place) is an answer, expected a message of the user before it", param: place)
            }
            turns[last].answer = try text(of: parts, place)
        case .system, .developer:
            guard turns.isEmpty else { return try ask(parts, place: place) }
            let more = try text(of: parts, place)
            system = system.map { "\($0)\n\n\(more)" } ?? more
        case .user:
            try ask(parts, place: place)
        }
    }

    /// Checks that there is a question to answer.
    ///
    /// - Parameter place: the place of the messages in the body.
    func checkIsQuestion(place: String) throws(APIError) {
        guard let last = turns.last else {
            throw .invalid("\(place) has no message of a user", param: place)
        }
        guard last.answer == nil else {
            throw .invalid("the last of \(place) is an answer, expected a question", param: place)
        }
        guard !last.question.isEmpty else {
            throw .invalid("the last of \(place) is empty, expected a question", param: place)
        }
    }

    private mutating func ask(_ parts: [Part], place: String) throws(APIError) {
        if turns.last?.answer != nil || turns.isEmpty { turns.append(ChatTurn(question: [])) }
        for part in parts {
            switch part {
            case .text(let text):
                if !text.isEmpty { turns[turns.count - 1].question.append(.text(text)) }
            case .picture(let picture):
                guard pictures.count < mostPictures else {
                    throw .invalid(
                        "\(place): the request has more than \(mostPictures) pictures", param: place
                    )
                }
                turns[turns.count - 1].question.append(.picture(pictures.count))
                pictures.append(picture)
            }
        }
    }

    private func text(of parts: [Part], _ place: String) throws(APIError) -> String {
        var texts: [String] = []
        for part in parts {
            guard case .text(let text) = part else {
                throw .invalid("\(place) has a picture, expected text", param: place)
            }
            texts.append(text)
        }
        return texts.joined(separator: "\n")
    }
}
